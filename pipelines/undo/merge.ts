import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { revertBlock } from './block.ts'
import { mergesOf, offerOutput, revertOutput, type UndoPorts, undoInput } from './shapes.ts'

const outcome = z.object({ commit: z.string().nullable() })

/** Merges exactly the revert that was approved; where the branch has moved since, it is all found and asked anew. */
export const mergeRevert = (ports: UndoPorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { undoes } = undoInput.parse(ctx.input)
    const { base, patch } = await ctx.outputOf('revert', revertOutput)
    const { branch, commit: sha } = await ctx.outputOf('offer', offerOutput)
    await requireApproved(ctx, patch.sha256)
    // The way that the repository took before.
    const method = mergesOf(undoes.effects)[0]?.method ?? 'squash'
    const { commit } = await ctx.effect({
      name: `merge ${sha}`,
      kind: 'merge',
      target: { address: base.address, branch, into: base.branch, sha, before: base.commit, method },
      undo: `git revert the merge of ${branch} into ${base.branch} (back to ${base.commit.slice(0, 12)})`,
      reversal: 'compensate',
      // Looked up before it is made: what is merged already says so.
      find: () => Promise.resolve(null),
      make: (key) => merge(ctx, ports, { method, key }),
      result: outcome,
    })
    if (commit === null) return { kind: 'done', output: null, verdict: 'drifted', extend: revertBlock(undoes.policy) }
    await ports.source.removeBranch(base, branch, ctx.signal)
    return { kind: 'done', output: { commit, into: base.branch }, verdict: 'merged' }
  },
})

type How = { readonly method: 'squash' | 'merge' | 'rebase'; readonly key: string }

async function merge(ctx: StepContext, { trunk, codeHost }: UndoPorts, { method, key }: How) {
  const { undoes } = undoInput.parse(ctx.input)
  const { base } = await ctx.outputOf('revert', revertOutput)
  const { branch, commit: sha, pullRequest } = await ctx.outputOf('offer', offerOutput)
  const { address } = base
  const message = `revert: run ${undoes.handle}, by run ${ctx.handle}`
  const merging =
    pullRequest && codeHost?.serves(address)
      ? codeHost.merge({ address, number: pullRequest.number, sha, method, base }, ctx.signal)
      : trunk.merge({ snapshot: base, branch, sha, method, message, at: base.committedAt, key }, ctx.signal)
  return await merging.catch(async (error: unknown) => {
    // Nothing was merged because the base has moved: that is an answer, and what else went wrong is not.
    if (!(error instanceof Fault) || error.code !== 'PRECONDITION_FAILED') throw error
    if ((await trunk.head(address, base.branch, ctx.signal)) === base.commit) throw error
    return { commit: null }
  })
}

async function requireApproved(ctx: StepContext, sha256: string): Promise<void> {
  const decision = (await ctx.decisions()).findLast(({ gate }) => gate === 'undo')
  if (decision?.verdict === 'approved' && decision.sha256 === sha256) return
  throw new Fault({ code: 'FATAL', message: 'The revert is not the one that was approved.', retryable: false })
}
