import { dollars } from './amount.ts'
import type { MoneyRequest } from './money-request.ts'
import { costlyPrompt, onlyThisPhase } from './money-request.ts'
import type { PlanItem } from './plan.ts'
import { rootOf } from './plan.ts'
import type { GateDraft } from './transition.ts'

/** The gate at which people grant what a refused call of the current step needs. Pure. */
export function moneyGate({ title, id: step }: PlanItem, request: MoneyRequest, id: string): GateDraft {
  const base = { id, stepId: null, kind: 'budget', artifact: null, policy: request.policy, requestedBy: null } as const
  const nothing = { risks: [], questions: [], changes: [], artifact: { sha256: '', sizeBytes: 0 } } as const
  if (request.kind === 'call') {
    const { micros, tokens } = request
    const subject = {
      ...nothing,
      artifact: { ...nothing.artifact, name: costlyPrompt },
      what: `A call of ${title} may cost up to ${dollars(micros)}`,
      facts: [`${counted(tokens)} tokens at most`, `approved for all calls of ${rootOf(step)} that cost no more`],
      call: { step: rootOf(step), micros },
    }
    return { ...base, name: costlyPrompt, subject }
  }
  return { ...base, name: 'budget', subject: { ...raiseSubject(request, title), options: [onlyThisPhase] } }
}

type Raise = Omit<Extract<MoneyRequest, { kind: 'raise' }>, 'kind' | 'policy'>

function raiseSubject({ micros, tokens, capMicros, capTokens, because }: Raise, title: string) {
  return {
    artifact: { name: 'budget', sha256: '', sizeBytes: 0 },
    what: `Raise the budget by ${dollars(micros)} and ${counted(tokens)} tokens, which ${title} has run out of`,
    risks: [],
    questions: [],
    changes: [
      `cap ${dollars(capMicros)} → ${dollars(capMicros + micros)}`,
      `${counted(capTokens)} → ${counted(capTokens + tokens)} tokens`,
    ],
    facts: because === null ? ['half as much again, or what the call needs where that is more'] : [because],
    micros,
    tokens,
  }
}

const counted = (tokens: number): string => tokens.toLocaleString('en-US')
