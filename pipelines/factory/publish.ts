import { documentSuite } from '../../core/model/document-suite.ts'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { CodeHost, FileChange, SourceControl } from '../../core/ports.ts'
import { openDocsPullRequest } from './pull-request.ts'
import { docsBranchResult, readOutput } from './shapes.ts'

/** The branch a run's documents go to. */
export const docsBranch = (handle: string): string => `quantapilot/${handle}/docs`

/** Puts the twelve documents on the run's branch, byte for byte as they were approved and judged, and asks people to merge them. */
export const publishDocuments = (source: SourceControl, codeHost: CodeHost | null): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { snapshot } = await ctx.outputOf('read', readOutput)
    const branch = docsBranch(ctx.handle)
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
      // The commit carries its key: making it again finds it, so there is nothing else to look up.
      find: () => Promise.resolve(null),
      make: async (key) => ({ branch, ...(await commit(key)) }),
      result: docsBranchResult,
    })
    const pullRequest = codeHost?.serves(snapshot.address)
      ? await openDocsPullRequest(ctx, codeHost, { snapshot, ...published })
      : null
    return {
      kind: 'done',
      output: { ...published, pullRequest },
      tells: {
        kind: 'documentation_generated',
        payload: { branch, commit: published.commit, pr_number: pullRequest?.number ?? null },
      },
    }
  },
})

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
    const { snapshot } = await ctx.outputOf('read', readOutput).catch(() => ({ snapshot: null }))
    if (snapshot) await source.removeBranch(snapshot, docsBranch(ctx.handle), ctx.signal)
    return { kind: 'done', output: null }
  },
})
