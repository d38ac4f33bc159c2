import { MoneyRefused } from '../../core/model/money-request.ts'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { FactoryPorts } from './ports.ts'
import { currentSettings, limitsOf } from './policy.ts'
import { readOutput } from './shapes.ts'

type Ports = Pick<FactoryPorts, 'source' | 'serverPolicy'>

/**
 * The step, whose request for more money asks for what the base branch's quantapilot.yml allows by now, where that is more
 * than the run has: whoever raises it there need not name the amount again. It is asked for all the same, never taken.
 */
export const withFreshCap =
  (ports: Ports) =>
  (kind: StepKind): StepKind => ({
    ...kind,
    run: async (ctx) => {
      try {
        return await kind.run(ctx)
      } catch (error) {
        throw error instanceof MoneyRefused ? await asTheFileSays(ctx, ports, error) : error
      }
    },
  })

async function asTheFileSays(ctx: StepContext, ports: Ports, refused: MoneyRefused): Promise<MoneyRefused> {
  const { message, request } = refused
  const read = await ctx.findOutput('read', readOutput)
  if (request.kind !== 'raise' || read === null) return refused
  const settings = await currentSettings(ctx, ports, read.snapshot).catch((error: unknown) => {
    // Without the file the amount of our own is asked for.
    if (error instanceof Fault) return null
    throw error
  })
  const { capMicros, capTokens } = settings ? limitsOf(settings) : { capMicros: null, capTokens: null }
  const micros = Math.max(0, (capMicros ?? 0) - request.capMicros)
  const tokens = Math.max(0, (capTokens ?? 0) - request.capTokens)
  if (micros === 0 && tokens === 0) return refused
  const because = `quantapilot.yml on ${read.snapshot.branch} allows it by now`
  return new MoneyRefused(message, { ...request, micros, tokens, because })
}
