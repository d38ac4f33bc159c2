import { Fault } from '../../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { Snapshot } from '../../../core/ports.ts'
import { z } from 'zod'
import { pinnedPolicy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import { issuesBlock, milestoneBlock, workBlock } from './block.ts'
import { messageOf } from './publish.ts'
import { specialBlock, undecidedGate } from './special.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Milestone,
  type MilestonePorts,
  merged,
  milestonesOutput,
  offered,
  reviewJudgement,
} from './shapes.ts'

/** A commit that people decided about, and where it goes. */
export type Landing = {
  readonly base: Snapshot
  readonly branch: string
  readonly sha: string
  readonly pullRequest: { readonly number: number } | null
  readonly message: string
}

/**
 * Merges exactly what was approved, by the policy's method, after the last good commit has its tag. Null when the base has
 * moved: then nothing was done.
 */
export async function land(ctx: StepContext, ports: MilestonePorts, landing: Landing) {
  const { base, branch, sha } = landing
  const { trunk } = ports.workshop
  const { settings } = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
  const method = settings.policies.merge ?? 'squash'
  await tagLastGood(ctx, ports, base)
  const at = base.committedAt
  const merge = (key: string): Promise<{ commit: string }> => {
    const { pullRequest, message } = landing
    if (!pullRequest || !ports.codeHost?.serves(base.address))
      return trunk.merge({ snapshot: base, branch, sha, method, message, at, key }, ctx.signal)
    return ports.codeHost.merge({ address: base.address, number: pullRequest.number, sha, method, base }, ctx.signal)
  }
  const { commit } = await ctx.effect({
    name: `merge ${sha}`,
    kind: 'merge',
    target: { address: base.address, branch, into: base.branch, sha, before: base.commit, method },
    undo: `git revert the merge of ${branch} into ${base.branch} (back to ${base.commit.slice(0, 12)})`,
    reversal: 'compensate',
    // Looked up before it is made: what is merged already says so.
    find: () => Promise.resolve(null),
    make: (key) => merge(key).catch((error: unknown) => unlessMoved(ctx, ports, base, error)),
    result: z.object({ commit: z.string().nullable() }),
  })
  if (commit === null) return null
  await ports.source.removeBranch(base, branch, ctx.signal)
  return { commit, into: base.branch, undo: `git revert ${method === 'merge' ? '-m 1 ' : ''}${commit}` }
}

/** Nothing was merged because the base has moved: that is an answer, and what else went wrong is not. */
async function unlessMoved(ctx: StepContext, { workshop }: MilestonePorts, base: Snapshot, error: unknown) {
  if (!(error instanceof Fault) || error.code !== 'PRECONDITION_FAILED') throw error
  if ((await workshop.trunk.head(base.address, base.branch, ctx.signal)) === base.commit) throw error
  return { commit: null }
}

/** Names the commit to go back to: `lkg-20261124-0930`, by its own date, so that the same commit has one name. */
async function tagLastGood(ctx: StepContext, { workshop }: MilestonePorts, base: Snapshot): Promise<void> {
  const [, year, month, day, hour, minute] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(base.committedAt) ?? []
  const name = `lkg-${year}${month}${day}-${hour}${minute}-${base.commit.slice(0, 7)}`
  await ctx.effect({
    name: `tag ${name}`,
    kind: 'tag',
    target: { address: base.address, tag: name, commit: base.commit },
    undo: `git push ${base.address} --delete refs/tags/${name}`,
    reversal: 'undo',
    find: () => Promise.resolve(null),
    make: async () => {
      await workshop.trunk.tag({ address: base.address, name, commit: base.commit }, ctx.signal)
      return null
    },
    result: z.null(),
  })
}

/** Merges the approved change of a milestone, and goes on to the next one. */
export const mergeMilestone = (ports: MilestonePorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const isDecided = await requireApproved(ctx, milestone, made)
    const policy = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
    const gate = await undecidedGate(ctx, policy, made)
    if (gate !== null) return { kind: 'done', output: null, verdict: 'asks', extend: specialBlock(milestone, gate) }
    const { branch, commit: sha, pullRequest } = await ctx.outputOf(idOf(milestone.id, 'publish'), offered)
    const message = messageOf(milestone)
    const landed = await land(ctx, ports, { base: made.base, branch, sha, pullRequest, message })
    if (landed === null)
      return { kind: 'done', output: null, verdict: 'drifted', extend: workBlock(milestone.id, true) }
    const output = merged.parse(landed)
    const next = await nextAfter(ctx, milestone)
    const issues = isDecided && (await hasIssues(ctx, ports, milestone, made))
    const extend = [...(issues ? issuesBlock(milestone.id) : []), ...(next ? milestoneBlock(next) : [])]
    return {
      kind: 'done',
      output,
      verdict: 'merged',
      tells: {
        kind: 'milestone_completed',
        payload: { milestone: milestone.id, commit: output.commit, pr_number: pullRequest?.number ?? null },
      },
      ...(extend.length > 0 ? { extend } : {}),
    }
  },
})

/** The last decision about this milestone is a yes to just these bytes, where anybody was asked; false where nobody was. */
async function requireApproved(ctx: StepContext, { id }: Milestone, { patch }: Change): Promise<boolean> {
  const decision = (await ctx.decisions()).findLast(({ gate }) => gate === id)
  if (!decision && id !== 'M-001') return false
  if (decision?.verdict === 'approved' && decision.sha256 === patch.sha256) return true
  throw new Fault({ code: 'FATAL', message: `${id} is not the version that was approved.`, retryable: false })
}

async function nextAfter(ctx: StepContext, { id }: Milestone): Promise<Milestone | undefined> {
  const { milestones } = await ctx.outputOf('milestones', milestonesOutput)
  return milestones[1 + milestones.findIndex((each) => each.id === id)]
}

async function hasIssues(
  ctx: StepContext,
  { codeHost }: MilestonePorts,
  { id }: Milestone,
  { base }: Change,
): Promise<boolean> {
  const { reviewed } = await ctx.outputOf(idOf(id, 'review'), reviewJudgement)
  return codeHost?.serves(base.address) === true && (reviewed?.bugs.length ?? 0) > 0
}
