import { Fault } from '../../core/model/problem.ts'
import type { FaultCode } from '../../core/model/problem.ts'
import type { LanguageModel } from '../../core/ports.ts'
import type { Guards } from '../metering/guards.ts'

/** What says that the provider is down. A request it refuses says nothing about that. */
const outages: ReadonlySet<FaultCode> = new Set(['UPSTREAM_TIMEOUT', 'TRANSIENT_NETWORK', 'TOOL_FAILURE'])

/** Until when nobody calls when a provider names no time. */
const unnamedWaitMs = 10_000

/** The model, called by no process while its provider is down or wants no calls; what it learns it says to the others. */
export const guardModel = (model: LanguageModel, { circuit, gate }: Guards): LanguageModel => ({
  name: model.name,
  worstCase: (request) => model.worstCase(request),
  ask: async (request, signal, onText) => {
    const waitMs = await gate.waitMs()
    if (waitMs > 0) throw notNow('RATE_LIMIT', `${model.name} wants no more calls for now`, waitMs)
    const openMs = await circuit.enter()
    if (openMs > 0) throw notNow('TRANSIENT_NETWORK', `${model.name} has failed several times in a row`, openMs)
    try {
      const answer = await model.ask(request, signal, onText)
      await circuit.passed()
      return answer
    } catch (error) {
      if (error instanceof Fault && !signal.aborted) await learn(error, { circuit, gate })
      throw error
    }
  },
})

async function learn(fault: Fault, { circuit, gate }: Guards): Promise<void> {
  if (fault.code === 'RATE_LIMIT') await gate.close(fault.retryAfterMs ?? unnamedWaitMs)
  if (outages.has(fault.code)) await circuit.failed()
}

const notNow = (code: FaultCode, what: string, waitMs: number): Fault =>
  new Fault({
    code,
    message: `${what}: it is called again in ${Math.ceil(waitMs / 1_000)} s, and nothing is to be done.`,
    retryable: true,
    retryAfterMs: waitMs,
    isUnsent: true,
  })
