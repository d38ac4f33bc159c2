import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { CodeHost, PullRequest } from '../../../core/ports.ts'
import { inert, quiet } from '../quiet.ts'
import { pullRequest } from '../shapes.ts'
import {
  branchResult,
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  judgement,
  type Milestone,
  type MilestonePorts,
  offered,
} from './shapes.ts'

/** The branch of a milestone's change; every round of it is one more commit there. */
export const milestoneBranch = (handle: string, id: string): string => `quantapilot/${handle}/${id.toLowerCase()}`

/** Puts the tested change on a branch, and into a pull request where the repository lives on a code host. */
export const publishChange = ({ codeHost, workshop }: MilestonePorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const reviewed = await ctx.outputOf(idOf(milestone.id, 'review'), judgement)
    const branch = milestoneBranch(ctx.handle, milestone.id)
    const { base } = made
    const patch = await ctx.read(made.patch)
    const request = {
      snapshot: base,
      branch,
      patch,
      tree: made.tree,
      message: messageOf(milestone),
      at: base.committedAt,
    }
    const { commit } = await ctx.effect({
      name: 'branch',
      kind: 'branch',
      target: { address: base.address, branch },
      undo: `git push ${base.address} --delete ${branch}`,
      reversal: 'undo',
      // The commit carries its key: making it again finds it.
      find: () => Promise.resolve(null),
      make: async (key) => ({ branch, ...(await workshop.trunk.commitPatch({ ...request, key }, ctx.signal)) }),
      result: branchResult,
    })
    const offer = { milestone, made, reviewed, branch }
    const opened = codeHost?.serves(base.address) ? await openChange(ctx, codeHost, offer) : null
    const before = await ctx.findOutput(idOf(milestone.id, 'publish'), offered)
    return { kind: 'done', output: { branch, commit, pullRequest: opened ?? before?.pullRequest ?? null } }
  },
})

/**
 * Subject and body by the conventions of commits; the run is named where people look for the cause of a line. What comes of a
 * README pings nobody and closes nothing once it is on a default branch.
 */
export const messageOf = ({ id, title, criteria }: Milestone): string =>
  [
    `feat: ${quiet(title.toLowerCase().slice(0, 60))} (${id})`,
    '',
    ...criteria.map(({ text }) => `- ${quiet(text)}`),
  ].join('\n')

type Offer = {
  readonly milestone: Milestone
  readonly made: Change
  readonly reviewed: Judgement
  readonly branch: string
}

async function openChange(ctx: StepContext, codeHost: CodeHost, offer: Offer): Promise<PullRequest> {
  const { milestone, made, branch } = offer
  const { address, branch: base } = made.base
  const draft = {
    address,
    branch,
    base,
    title: messageOf(milestone).split('\n')[0] ?? milestone.id,
    body: bodyOf(ctx, offer),
    labels: [`type:${made.files.length > 5 ? 'feature_s' : 'feature_xs'}`, `source:agent/${made.agent}`],
  }
  return await ctx.effect({
    name: 'pull-request',
    kind: 'pull_request',
    target: { address, branch, base },
    undo: `close the pull request of ${branch}`,
    reversal: 'undo',
    // Looked up before it is made, by its key and by its branch.
    find: () => Promise.resolve(null),
    make: (key) => codeHost.openPullRequest({ ...draft, key }, ctx.signal),
    result: pullRequest,
  })
}

function bodyOf(ctx: StepContext, { milestone, made, reviewed, branch }: Offer): string {
  return [
    `Run ${ctx.handle}, milestone ${milestone.id}: written by ${made.agent}, on ${made.base.commit.slice(0, 12)}.`,
    '',
    '## Criteria',
    '',
    ...milestone.criteria.map(({ text }) => `- [ ] ${quiet(text)}`),
    '',
    '## Shown',
    '',
    ...[...reviewed.facts, ...reviewed.risks.map((risk) => `Look at: ${risk}`)].map((line) => `- ${inert(line)}`),
    `- Patch sha256 \`${made.patch.sha256}\`, tree \`${made.tree}\``,
    '',
    '## Undo',
    '',
    `Before the merge: close this and delete \`${branch}\`. After it: revert the merge commit.`,
  ].join('\n')
}
