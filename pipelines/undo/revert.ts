import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { Snapshot } from '../../core/ports.ts'
import type { Patch, Reverted } from '../../core/workshop.ts'
import { mergesOf, type UndoPorts, undoInput } from './shapes.ts'

type Merges = ReturnType<typeof mergesOf>

/** Finds what taking all merges back changes on their branch as it is now, and changes nothing. */
export const findRevert = (ports: UndoPorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const merges = mergesOf(undoInput.parse(ctx.input).undoes.effects)
    const [newest] = merges
    if (!newest) throw new Fault({ code: 'FATAL', message: 'There is no merge to take back.', retryable: false })
    const base = await ports.source.snapshot({ address: newest.address, branch: newest.into }, ctx.signal)
    const found = await reverted(ctx, ports, base, merges)
    if ('refusal' in found) {
      const message = `${found.refusal} Then /resume ${ctx.handle} goes on with the rest, or /cancel ${ctx.handle}.`
      if (ctx.resumed?.kind !== 'resumed') return { kind: 'ask', code: 'conflict', message }
      return await done(ctx, base, { ...nothing, refusal: found.refusal })
    }
    if (found.kind === 'conflict') return { kind: 'ask', code: 'conflict', message: sayConflict(ctx, base, found) }
    return await done(ctx, base, { ...found.patch, left: found.left, refusal: null })
  },
})

/** A merge that is not ours alone is for a person to revert. */
async function reverted(
  ctx: StepContext,
  { trunk }: UndoPorts,
  snapshot: Snapshot,
  merges: Merges,
): Promise<Reverted | { readonly refusal: string }> {
  return await trunk.revert({ snapshot, merges }, ctx.signal).catch((error: unknown) => {
    if (error instanceof Fault && error.code === 'PRECONDITION_FAILED') return { refusal: error.message }
    throw error
  })
}

function sayConflict(
  { handle }: StepContext,
  { branch }: Snapshot,
  { commit, files }: Extract<Reverted, { kind: 'conflict' }>,
): string {
  const listed = files.length > 6 ? `${files.slice(0, 6).join(', ')} and ${files.length - 6} more` : files.join(', ')
  return `Others have changed on ${branch} what ${commit.slice(0, 12)} brought, in ${listed}. Bring those files into a shape from which it can be taken, then /resume ${handle}; or /cancel ${handle} and revert it by hand.`
}

const nothing = { bytes: new Uint8Array(), tree: '', files: [], left: [] as readonly string[] }

type Found = Patch & {
  readonly left: readonly string[]
  readonly refusal: string | null
}

async function done(ctx: StepContext, base: Snapshot, { bytes, tree, files, left, refusal }: Found) {
  const patch = await ctx.save('undo.patch', bytes, 'text/x-diff')
  const output = { base, patch, tree, files, left, refusal }
  const verdict = files.length > 0 ? 'changes' : 'nothing'
  return { kind: 'done', output, verdict, artifacts: [patch] } as const
}
