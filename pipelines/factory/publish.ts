import { z } from 'zod'
import { documentSuite } from '../../core/model/document-suite.ts'
import type { Json } from '../../core/model/json.ts'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { roundOf } from '../../core/model/plan.ts'
import type { CodeHost, FileChange, Snapshot, SourceControl } from '../../core/ports.ts'
import { openDocsPullRequest } from './pull-request.ts'
import { docsBranchResult, publishOutput, readOutput } from './shapes.ts'

/** The branch a run's documents go to. */
export const docsBranch = (handle: string): string => `quantapilot/${handle}/docs`

/** Puts the twelve documents on the run's branch, byte for byte as they were approved and judged, and asks people to merge them. */
export const publishDocuments = (source: SourceControl, codeHost: CodeHost | null): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const round = roundOf(ctx.stepId)
    const base = round === 1 ? null : await newBase(ctx, source)
    const snapshot = base ?? (await ctx.outputOf('read', readOutput)).snapshot
    const branch = round === 1 ? docsBranch(ctx.handle) : `${docsBranch(ctx.handle)}-${round}`
    const files = await filesOf(ctx)
    const commit = (key: string) =>
      source.commit(
        { snapshot, branch, files, message: `Documentation suite of run ${ctx.handle}`, at: snapshot.committedAt, key },
        ctx.signal,
      )
    const published = await ctx.effect({
      name: 'docs-branch',
      kind: 'branch',
      target: { address: snapshot.address, branch },
      undo: `git push ${snapshot.address} --delete ${branch}`,
      reversal: 'undo',
      // The commit carries its key: making it again finds it, so there is nothing else to look up.
      find: () => Promise.resolve(null),
      make: async (key) => ({ branch, ...(await commit(key)) }),
      result: docsBranchResult,
    })
    const pullRequest = codeHost?.serves(snapshot.address)
      ? await openDocsPullRequest(ctx, codeHost, { snapshot, ...published })
      : null
    const before = await ctx.findOutput('publish', publishOutput)
    if (before !== null) await retire(ctx, { source, codeHost, snapshot }, before)
    return {
      kind: 'done',
      output: { ...published, pullRequest, base },
      tells: {
        kind: 'documentation_generated',
        payload: { branch, commit: published.commit, pr_number: pullRequest?.number ?? null },
      },
    }
  },
})

type Place = {
  readonly source: SourceControl
  readonly codeHost: CodeHost | null
  readonly snapshot: Snapshot
}

/** What a newer branch takes the place of is offered to nobody any more. */
async function retire(
  ctx: StepContext,
  { source, codeHost, snapshot }: Place,
  { branch, pullRequest }: z.infer<typeof publishOutput>,
): Promise<void> {
  const { address } = snapshot
  if (pullRequest && codeHost?.serves(address))
    await ctx.effect({
      name: 'close-before',
      kind: 'pull_request_closed',
      target: { address, pullRequest: pullRequest.number },
      undo: `open ${pullRequest.url} again`,
      reversal: 'irreversible',
      // One that is closed is found so.
      find: () => Promise.resolve(null),
      make: async () => ({
        became: await codeHost.closePullRequest({ address, number: pullRequest.number }, ctx.signal),
      }),
      result: z.object({ became: z.enum(['closed', 'gone', 'merged']) }),
    })
  await source.removeBranch(snapshot, branch, ctx.signal)
}

const maxDocumentBytes = 1_000_000

/** The base branch as it is now. Throws PRECONDITION_FAILED where somebody has written one of the documents meanwhile. */
async function newBase(ctx: StepContext, source: SourceControl): Promise<Snapshot> {
  const { snapshot: before } = await ctx.outputOf('read', readOutput)
  const now = await source.snapshot({ address: before.address, branch: before.branch }, ctx.signal)
  for (const { path } of documentSuite) {
    const [old, fresh] = [
      await source.read(before, path, maxDocumentBytes, ctx.signal),
      await source.read(now, path, maxDocumentBytes, ctx.signal),
    ]
    if ((old === null) === (fresh === null) && (old === null || Buffer.compare(old, fresh ?? old) === 0)) continue
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `${path} was changed on ${before.branch} since this run began: start a new run with /run, which reads it.`,
      retryable: false,
    })
  }
  return now
}

async function filesOf(ctx: StepContext): Promise<FileChange[]> {
  const files: FileChange[] = []
  const approved = (await ctx.decisions()).findLast(({ gate, verdict }) => gate === 'anchor' && verdict === 'approved')
  for (const { path } of documentSuite) {
    const artifact = await ctx.latest(path)
    if (!artifact) throw new Fault({ code: 'FATAL', message: `The run has not written ${path}.`, retryable: false })
    // What goes out is what people said yes to, whatever else the run may have written since.
    if (path === approved?.artifact && artifact.sha256 !== approved.sha256) {
      throw new Fault({ code: 'FATAL', message: `${path} is not the version that was approved.`, retryable: false })
    }
    files.push({ path, bytes: await ctx.read(artifact) })
  }
  return files
}

/** Removes what a run that was stopped has left in the repository. */
export const removeBranch = (source: SourceControl): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const read = await ctx.findOutput('read', readOutput)
    // An effect that was begun and not noted as done may have made its branch: the documents' is always looked for.
    const made = (await ctx.effects()).flatMap(({ kind, target }) => (kind === 'branch' ? branchIn(target) : []))
    for (const branch of new Set([docsBranch(ctx.handle), ...made]))
      if (read) await source.removeBranch(read.snapshot, branch, ctx.signal)
    return { kind: 'done', output: null }
  },
})

const branchIn = (target: Json): string[] => {
  const parsed = z.object({ branch: z.string() }).safeParse(target)
  return parsed.success ? [parsed.data.branch] : []
}
