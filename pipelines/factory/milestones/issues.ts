import { z } from 'zod'
import { Fault } from '../../../core/model/problem.ts'
import type { Outcome } from '../../../core/model/outcome.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { CodeHost } from '../../../core/ports.ts'
import { quiet } from '../quiet.ts'
import { sayBody } from './review-report.ts'
import {
  change,
  currentMilestone,
  idOf,
  type Milestone,
  type MilestonePorts,
  merged,
  type Reviewed,
  reviewJudgement,
} from './shapes.ts'

/** Where it is; null where the host would have none of it and a person said to go on. */
const opened = z.object({ number: z.number().nullable(), url: z.string().nullable() })

const notOpened = { number: null, url: null } as const

/** Opens an issue for each bug whose title stood on the card that a person approved. */
export const openIssues = ({ codeHost }: MilestonePorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const { reviewed } = await ctx.outputOf(idOf(milestone.id, 'review'), reviewJudgement)
    const { base } = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const { commit } = await ctx.outputOf(idOf(milestone.id, 'merge'), merged)
    if (codeHost === null || reviewed === null) return { kind: 'done', output: { issues: [] } }
    const found: Found = { milestone, reviewed, address: base.address, commit }
    const issues: z.infer<typeof opened>[] = []
    for (const [index, bug] of reviewed.bugs.entries()) {
      const made = await openOne(ctx, codeHost, { ...found, bug, n: index + 1 })
      if (typeof made === 'string') return askAbout(ctx, milestone, made)
      issues.push(made)
    }
    return { kind: 'done', output: { issues } }
  },
})

type Found = {
  readonly milestone: Milestone
  readonly reviewed: Reviewed
  readonly address: string
  /** What the milestone was merged as. */
  readonly commit: string
}

type FoundBug = Found & {
  readonly bug: Reviewed['bugs'][number]
  /** Its place in the list, from 1. */
  readonly n: number
}

/** What was opened, or why the host will have none of it: then a person is asked, once, before it goes on without. */
async function openOne(ctx: StepContext, codeHost: CodeHost, found: FoundBug) {
  const { milestone, address, bug, n } = found
  const draft = {
    address,
    title: quiet(bug.title),
    body: bodyOf(ctx, found),
    labels: ['type:bug', 'source:agent/qa'],
  }
  const open = async (key: string): Promise<z.infer<typeof opened>> => {
    try {
      return await codeHost.openIssue({ ...draft, key }, ctx.signal)
    } catch (error) {
      if (isFinal(error) && ctx.resumed?.kind === 'resumed') return notOpened
      throw error
    }
  }
  try {
    return await ctx.effect({
      name: `issue ${n}`,
      kind: 'issue',
      target: { address, milestone: milestone.id, bug: n },
      undo: `none: the bug of ${milestone.id}/bugs.md, number ${n}, is there without the change too; close its issue by hand where it is none`,
      reversal: 'irreversible',
      // Looked up before it is made, by its key.
      find: () => Promise.resolve(null),
      make: open,
      result: opened,
    })
  } catch (error) {
    if (isFinal(error)) return error.message
    throw error
  }
}

/** The host will have none of it, however often it is asked; everything else is for the engine. */
const isFinal = (error: unknown): error is Fault =>
  error instanceof Fault && (error.code === 'PRECONDITION_FAILED' || error.code === 'VALIDATION_ERROR')

function bodyOf({ handle }: StepContext, { milestone, reviewed, commit, bug }: FoundBug): string {
  return [
    `Found by ${reviewed.by} while it reviewed ${milestone.id} of run ${handle}, and no part of that milestone. Nobody has checked it.`,
    '',
    ...sayBody(bug),
    '',
    ...(bug.path === null ? [] : [`- File: \`${bug.path.replaceAll('`', '')}\``]),
    `- Seen in ${commit}`,
  ].join('\n')
}

const askAbout = ({ handle }: StepContext, { id }: Milestone, why: string): Outcome => ({
  kind: 'ask',
  code: 'issues',
  message: `${id} is merged; not all of its issues are open. ${why} /resume ${handle} tries once more and goes on either way: the bugs stand in ${id}/bugs.md.`,
})
