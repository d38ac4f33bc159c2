import { z } from 'zod'
import type { StepContext } from '../../../core/pipeline.ts'
import type { Author, CodeHost, SourceControl } from '../../../core/ports.ts'
import type {
  CodingAgent,
  CommitChecks,
  PackageHosts,
  Reviewer,
  Sandbox,
  Trunk,
  Workspaces,
} from '../../../core/workshop.ts'
import { docsBranchResult, pullRequest, snapshot } from '../shapes.ts'

/** What code is written with. Null in a factory that has no agent: it ends after the documents. */
export type Workshop = {
  readonly workspaces: Workspaces
  readonly trunk: Trunk
  readonly sandbox: Sandbox
  readonly agent: CodingAgent
  /** Null: no model judges a change by its criteria. */
  readonly reviewer: Reviewer | null
  /** Null where the operator lists no host that packages may come from. */
  readonly packages: PackageHosts | null
  /** Null where no code host says what its checks found. */
  readonly checks: CommitChecks | null
}

/** What the steps of a milestone work with. */
export type MilestonePorts = {
  readonly source: SourceControl
  readonly author: Author
  readonly codeHost: CodeHost | null
  readonly workshop: Workshop
}

/** One milestone of `docs/30_milestones.md`. */
export const milestone = z.object({
  /** `M-001`. */
  id: z.string(),
  title: z.string(),
  goal: z.string(),
  /** `id` is null for a criterion that names no requirement. */
  criteria: z.array(z.object({ id: z.string().nullable(), text: z.string() })),
})

export type Milestone = z.infer<typeof milestone>

/** The milestones of a run in order; none where it goes no further than the documents, and why. */
export const milestonesOutput = z.object({ milestones: z.array(milestone), instead: z.string().nullable() })

/** What an item of a milestone's block is told: which one, and whether it only moves a change to a newer base. */
export const blockInput = z.object({ milestone: z.string(), carry: z.boolean().default(false) })

const file = z.object({
  path: z.string(),
  change: z.enum(['added', 'modified', 'removed']),
  added: z.number(),
  removed: z.number(),
})

const artifact = z.object({ name: z.string(), sha256: z.string(), sizeBytes: z.number() })

/** A change as it was made: a patch on a base, and the tree the two make together. */
export const change = z.object({
  base: snapshot,
  patch: artifact,
  tree: z.string(),
  files: z.array(file),
  /** Paths that agents may not change, with the rule: such a change goes back. */
  refused: z.array(z.string()),
  /** Tries in a row that tests, review or checks sent back. */
  failures: z.number(),
  /** Tries in a row that left the same bytes. */
  unchanged: z.number(),
  agent: z.string(),
  calls: z.number(),
})

export type Change = z.infer<typeof change>

/** What judged a change, and by which bytes it knows it. */
export const judgement = z.object({
  patch: z.string(),
  passed: z.boolean(),
  /** Goes back to the agent when it did not pass; for people when it did. */
  report: z.string(),
  facts: z.array(z.string()),
  risks: z.array(z.string()),
})

export type Judgement = z.infer<typeof judgement>

/** What the tests found; `fails`: they do not pass, and the project lets people decide about that. */
export const testJudgement = judgement.extend({ fails: z.boolean().default(false) })

/** What a model held of a change. */
export const reviewed = z.object({
  by: z.string(),
  criteria: z.array(z.object({ verdict: z.enum(['met', 'not_met', 'cannot_tell']), why: z.string() })),
  bugs: z.array(z.object({ title: z.string(), body: z.string(), path: z.string().nullable() })),
  leftOut: z.array(z.string()),
})

export type Reviewed = z.infer<typeof reviewed>

/** What the review step found; `reviewed` is null where no model was asked. */
export const reviewJudgement = judgement.extend({ reviewed: reviewed.nullable().default(null) })

export type ReviewJudgement = z.infer<typeof reviewJudgement>

/** Where the change stands for people to see. */
export const offered = z.object({ branch: z.string(), commit: z.string(), pullRequest: pullRequest.nullable() })

export const branchResult = docsBranchResult.omit({ created: true })

/** What was merged, and how it is taken back. */
export const merged = z.object({ commit: z.string(), into: z.string(), undo: z.string() })

export type MilestoneStep =
  | 'plan'
  | 'implement'
  | 'test'
  | 'review'
  | 'publish'
  | 'checks'
  | 'show'
  | 'gate'
  | 'special'
  | 'merge'
  | 'issues'

/** `M-001` and `test` → `m-001-test`: the first round's id. */
export const idOf = (milestoneId: string, step: MilestoneStep): string => `${milestoneId.toLowerCase()}-${step}`

/** The milestone a step is about, and its input. */
export async function currentMilestone(ctx: StepContext): Promise<Milestone & { readonly carry: boolean }> {
  const input = blockInput.parse(ctx.stepInput)
  const { milestones } = await ctx.outputOf('milestones', milestonesOutput)
  const found = milestones.find(({ id }) => id === input.milestone)
  if (!found) throw new Error(`there is no milestone ${input.milestone}`)
  return { ...found, carry: input.carry }
}
