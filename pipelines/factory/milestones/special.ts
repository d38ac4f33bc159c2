import { counted } from '../../../core/model/counted.ts'
import type { Plan } from '../../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import { z } from 'zod'
import { gatePolicy, pinnedPolicy, type Policy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import { step, workPolicy } from './block.ts'
import { isAbout, type SpecialGate, specialGates } from './paths.ts'
import { lossOfData } from './review.ts'
import { type Change, change, currentMilestone, idOf, type Milestone, type MilestonePorts } from './shapes.ts'

/** The first gate of its own that the project wants for these files and that nobody has decided yet; null: none is left. */
export async function undecidedGate(ctx: StepContext, policy: Policy, made: Change): Promise<SpecialGate | null> {
  const decisions = await ctx.decisions()
  const isDecided = (name: SpecialGate): boolean => {
    const last = decisions.findLast(({ gate }) => gate === name)
    return last?.verdict === 'approved' && last.sha256 === made.patch.sha256
  }
  const wanted = specialGates.filter(
    (name) => policy.settings.policies.gates[name] && made.files.some(({ path }) => isAbout(name, path)),
  )
  return wanted.find((name) => !isDecided(name)) ?? null
}

/** The gate's own step and gate, and the merge again behind them. */
export function specialBlock({ id }: Milestone, gate: SpecialGate): Plan {
  const { input, ...show } = step(id, 'special', `showing what ${gate} is about in ${id}`)
  return [
    { ...show, input: { ...(input as { milestone: string }), gate } },
    {
      type: 'gate',
      id: `${idOf(id, 'special')}-gate`,
      name: gate,
      title: `waiting for a decision on ${gate} in ${id}`,
      judges: idOf(id, 'special'),
      reworks: idOf(id, 'implement'),
      policy: workPolicy,
    },
    step(id, 'merge', `merging ${id}`),
  ]
}

const linesShown = 12

/** Shows the files that a gate of their own is about. */
export const showSpecial = ({ workshop: { workspaces } }: MilestonePorts): StepKind => ({
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const { gate } = z.object({ gate: z.enum(['ci-policy', 'migration']) }).parse(ctx.stepInput)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const files = made.files.filter(({ path }) => isAbout(gate, path)).map(({ path }) => path)
    const added = await workspaces.added(await ctx.read(made.patch))
    const lines = added.filter(({ path }) => files.includes(path))
    return {
      kind: 'done',
      output: null,
      subject: {
        artifact: made.patch,
        what: `${milestone.id}: ${counted(files.length, 'file')} that ${gate} is about: ${files.join(', ')}`,
        risks: lossOfData(lines),
        questions: [],
        changes: lines.slice(0, linesShown).map(({ path, text }) => `${path} +${text}`),
        facts: lines.length > linesShown ? [`${lines.length - linesShown} more lines in the patch`] : [],
      },
      policy: gatePolicy(await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput)), gate),
    }
  },
})
