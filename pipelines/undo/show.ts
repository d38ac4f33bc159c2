import { counted } from '../../core/model/counted.ts'
import type { Outcome } from '../../core/model/outcome.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { CommitCheck } from '../../core/workshop.ts'
import { offerOutput, revertOutput, type UndoPorts, undoInput } from './shapes.ts'

/** Asked again so often where no webhook says sooner that something changed. */
const pollMs = 30_000

/** Waits for the checks of the revert, and shows it to people: exactly these bytes are merged, or none. */
export const showRevert = (ports: UndoPorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { base, patch, files, left } = await ctx.outputOf('revert', revertOutput)
    const { commit, pullRequest, branch } = await ctx.outputOf('offer', offerOutput)
    const seen = await look(ctx, ports, { address: base.address, branch: base.branch, commit })
    if ('kind' in seen) return seen
    const failed = seen.checks.filter(({ state }) => state === 'failure').map(({ name }) => name)
    if (failed.length > 0 && ctx.resumed?.kind !== 'resumed') {
      const message = `The checks of ${branch} failed: ${failed.join(', ')}. Mend the cause, then /resume ${ctx.handle}; it is shown at the gate what failed.`
      return { kind: 'ask', code: 'checks', message }
    }
    const { undoes } = undoInput.parse(ctx.input)
    const added = files.reduce((sum, file) => sum + file.added, 0)
    const removed = files.reduce((sum, file) => sum + file.removed, 0)
    const names = files.map(({ path }) => path)
    return {
      kind: 'done',
      output: null,
      subject: {
        artifact: patch,
        what: `Undo of run ${undoes.handle}: ${counted(left.length, 'merge')} out of ${base.branch}, ${counted(files.length, 'file')} (+${added} −${removed}), commit ${commit.slice(0, 12)}`,
        risks: failed.map((name) => `The check ${name} failed.`),
        questions: [],
        changes: await changedSince(ctx, patch.sha256, base),
        facts: [
          names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', '),
          ...(seen.checks.length > failed.length
            ? [`${counted(seen.checks.length - failed.length, 'check')} passed`]
            : []),
          ...(pullRequest ? [pullRequest.url] : []),
          sayRest(undoes.effects),
          `this merge is compensated by /undo ${ctx.handle}`,
        ],
      },
    }
  },
})

type Asked = { readonly address: string; readonly branch: string; readonly commit: string }

/** What the code host's checks say of the revert, or the wait for them; one wait is enough where none reports and none is required. */
async function look(
  ctx: StepContext,
  { codeHost, checks }: UndoPorts,
  { address, branch, commit }: Asked,
): Promise<Outcome | { readonly checks: readonly CommitCheck[] }> {
  if (!codeHost?.serves(address) || checks === null) return { checks: [] }
  const found = await checks.of(address, commit, ctx.signal)
  const { requiredChecks } = await codeHost.protection(address, branch, ctx.signal)
  const isOpen =
    found.some(({ state }) => state === 'pending') ||
    requiredChecks.some((name) => !found.some((check) => check.name === name)) ||
    (found.length === 0 && ctx.resumed === null)
  if (!isOpen || found.some(({ state }) => state === 'failure')) return { checks: found }
  return { kind: 'wait', wait: { kind: 'signal', name: `checks:${commit}`, timeoutMs: pollMs } }
}

async function changedSince(ctx: StepContext, sha256: string, base: { branch: string; commit: string }) {
  const shown = (await ctx.decisions()).findLast(({ gate }) => gate === 'undo')
  if (!shown) return []
  const now = `on ${base.branch} as it is now (${base.commit.slice(0, 12)})`
  return [shown.sha256 === sha256 ? `the same lines, ${now}` : `other lines, ${now}`]
}

/** What follows the merge, by what can be done about it. */
function sayRest(effects: readonly { readonly kind: string; readonly reversal: string }[]): string {
  const rest = effects.filter(({ kind }) => kind !== 'merge')
  const fixed = rest.filter(({ reversal }) => reversal === 'irreversible').length
  return `then ${rest.length - fixed} more undone${fixed > 0 ? `, ${fixed} irreversible` : ''}`
}
