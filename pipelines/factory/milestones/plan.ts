import { documentSuite } from '../../../core/model/document-suite.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import { parseMilestones } from './parse.ts'
import { currentMilestone, type Milestone, type MilestonePorts, type Workshop } from './shapes.ts'

const milestonesPath = documentSuite.find(({ path }) => path.includes('30_milestones'))?.path ?? ''

/** Reads what there is to build from the documents, and plans it where somebody can build it. */
export const planMilestones = (workshop: Workshop): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const document = await ctx.latest(milestonesPath)
    const text = document ? new TextDecoder().decode(await ctx.read(document)) : ''
    const milestones = parseMilestones(text).filter(({ criteria }) => criteria.length > 0)
    const instead = milestones.length === 0 ? 'the documents name no milestone' : await whyNot(workshop)
    if (instead !== null) return { kind: 'done', output: { milestones: [], instead }, verdict: 'documents' }
    return { kind: 'done', output: { milestones: [...milestones], instead: null }, verdict: 'code' }
  },
})

const whyNot = async ({ sandbox, agent }: Workshop): Promise<string | null> =>
  (await sandbox.missing()) ?? (await agent.missing())

/** Writes down what the agent is asked for, so that people can read it before anything is paid for. */
export const planMilestone = ({ workshop }: MilestonePorts): StepKind => ({
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const text = `${sayMilestone(milestone)}\nAgent: ${workshop.agent.name}\n`
    const artifact = await keepText(ctx, `${milestone.id}/task.md`, text)
    return { kind: 'done', output: null, artifacts: [artifact] }
  },
})

/** The milestone as the agent and people read it. */
export const sayMilestone = ({ id, title, goal, criteria }: Milestone): string =>
  [`# ${id} ${title}`, '', goal, '', '## Criteria', '', ...criteria.map(({ text }) => `- ${text}`), ''].join('\n')

export const keepText = (ctx: StepContext, name: string, text: string, mediaType = 'text/markdown') =>
  ctx.save(name, new TextEncoder().encode(text), mediaType)
