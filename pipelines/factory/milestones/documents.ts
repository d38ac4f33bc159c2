import { documentSuite } from '../../../core/model/document-suite.ts'
import { Fault } from '../../../core/model/problem.ts'
import type { Plan } from '../../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import { gatePolicy, pinnedPolicy } from '../policy.ts'
import { sayReversals } from '../reversals.ts'
import { publishOutput, readOutput } from '../shapes.ts'
import { sayAllUnlinted } from '../unlinted.ts'
import { documentsBlock, milestoneBlock } from './block.ts'
import { checksOf } from './checks.ts'
import { land } from './merge.ts'
import { keepText } from './plan.ts'
import { type MilestonePorts, merged, milestonesOutput } from './shapes.ts'

const manifestName = 'documents.sha256'

/** Waits for the checks of the documents, and shows what the first merge would bring to the default branch. */
export const awaitDocumentChecks = (ports: MilestonePorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const published = await ctx.outputOf('publish', publishOutput)
    const hasPullRequest = published.pullRequest !== null
    const base = await baseOf(ctx)
    const { codeHost, workshop } = ports
    const asked = { base, commit: published.commit }
    const { outcome, checks } = await checksOf(ctx, { codeHost, checks: workshop.checks }, asked)
    if (outcome) return outcome
    const failed = checks.filter(({ state }) => state === 'failure').map(({ name }) => name)
    if (failed.length > 0 && ctx.resumed?.kind !== 'resumed') {
      const message = `The checks of ${published.branch} failed: ${failed.join(', ')}. Mend the cause, then /resume ${ctx.handle}; it is shown at the gate what failed.`
      return { kind: 'ask', code: 'checks', message }
    }
    const manifest = await keepText(ctx, manifestName, await manifestOf(ctx, published), 'text/plain')
    const read = await ctx.outputOf('read', readOutput)
    const before = (await ctx.decisions()).findLast(({ gate }) => gate === 'first-merge')
    return {
      kind: 'done',
      output: { manifest: manifest.sha256 },
      artifacts: [manifest],
      subject: {
        artifact: manifest,
        what: `First merge: ${documentSuite.length} documents into ${base.branch}, commit ${published.commit.slice(0, 12)}`,
        risks: [...failed.map((name) => `The check ${name} failed.`), ...(await sayAllUnlinted(ctx))],
        questions: [],
        changes: before ? await changedSince(ctx, { before: before.sha256, now: manifest.sha256 }, base) : [],
        facts: [
          ...(checks.length > failed.length ? [`${checks.length - failed.length} checks passed`] : []),
          ...(published.pullRequest ? [published.pullRequest.url] : []),
          `undo: ${sayReversals({ hasPullRequest, hasCheck: hasPullRequest })}; last good commit ${base.commit.slice(0, 12)} tagged`,
        ],
      },
      policy: gatePolicy(await pinnedPolicy(ctx, read), 'first-merge'),
    }
  },
})

/** Most documents that are named on a card. */
const namesShown = 5

/** What is new since a person decided about the documents; where that is none of them, it is the base that they go to. */
async function changedSince(
  ctx: StepContext,
  { before, now }: { readonly before: string; readonly now: string },
  { branch, commit }: { readonly branch: string; readonly commit: string },
): Promise<readonly string[]> {
  const linesOf = async (sha256: string): Promise<readonly string[]> =>
    new TextDecoder().decode(await ctx.read({ sha256 })).split('\n')
  const known = new Set(await linesOf(before))
  const fresh = (await linesOf(now)).filter((line) => !known.has(line) && !line.startsWith('commit '))
  const names = fresh.flatMap((line) => line.split('  ')[1] ?? [])
  if (names.length === 0) return [`the same documents, on ${branch} as it is now (${commit.slice(0, 12)})`]
  const more = names.length - namesShown
  return [...names.slice(0, namesShown), ...(more > 0 ? [`and ${more} more`] : [])]
}

async function manifestOf(ctx: StepContext, { commit }: { readonly commit: string }): Promise<string> {
  const lines: string[] = []
  for (const { path } of documentSuite) {
    const artifact = await ctx.latest(path)
    if (artifact) lines.push(`${artifact.sha256}  ${path}`)
  }
  return `${lines.join('\n')}\ncommit ${commit}\n`
}

/** The base that the documents' branch stands on. */
async function baseOf(ctx: StepContext) {
  const { base } = await ctx.outputOf('publish', publishOutput)
  return base ?? (await ctx.outputOf('read', readOutput)).snapshot
}

/** Merges the documents as they were approved, and begins with the first milestone. */
export const mergeDocuments = (ports: MilestonePorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { branch, commit: sha, pullRequest } = await ctx.outputOf('publish', publishOutput)
    const manifest = await ctx.latest(manifestName)
    const decision = (await ctx.decisions()).findLast(({ gate }) => gate === 'first-merge')
    if (decision?.verdict !== 'approved' || decision.sha256 !== manifest?.sha256)
      throw new Fault({
        code: 'FATAL',
        message: 'The documents are not the version that was approved.',
        retryable: false,
      })
    const message = `docs: documentation suite of run ${ctx.handle}`
    const landed = await land(ctx, ports, { base: await baseOf(ctx), branch, sha, pullRequest, message })
    if (landed === null) return { kind: 'done', output: null, verdict: 'drifted', extend: againOnNewBase }
    const { milestones } = await ctx.outputOf('milestones', milestonesOutput)
    const [first] = milestones
    const extend = first ? { extend: milestoneBlock(first) } : {}
    return { kind: 'done', output: merged.parse(landed), verdict: 'merged', ...extend }
  },
})

/** The documents once more, on the base as it is now; asked again, because the merge is another one. */
const againOnNewBase: Plan = [
  { type: 'step', id: 'publish', kind: 'publish', title: 'putting the documents on a branch' },
  ...documentsBlock,
]
