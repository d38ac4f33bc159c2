import type { Outcome as StepOutcome } from '../../core/model/outcome.ts'
import type { Outcome } from './model.ts'

const artifact = { name: 'doc', sha256: 'd'.repeat(64), sizeBytes: 1 }

/** What a body returns; a gate may stand behind any step, so each presents something to judge. */
export function outcomeOf(outcome: Exclude<Outcome, { kind: 'fault' | 'defect' }>): StepOutcome {
  switch (outcome.kind) {
    case 'done': {
      const subject = { artifact, what: 'a document', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, verdict: outcome.verdict, artifacts: [artifact], subject }
    }
    case 'sleep':
      return { kind: 'wait', wait: { kind: 'time', delayMs: outcome.ms } }
    case 'listen':
      return { kind: 'wait', wait: { kind: 'signal', name: 'go', timeoutMs: outcome.timeoutMs } }
    case 'aborted':
      return { kind: 'aborted' }
  }
}
