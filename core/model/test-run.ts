import type { Plan } from './plan.ts'
import type { Run } from './run.ts'
import type { SettleContext } from './settle.ts'

/** A run under way on a plan of one step after another, for table tests. */
export function aRun(fields: Partial<Run> = {}): Run {
  return {
    id: '018f0000-0000-7000-8000-000000000001',
    number: 1,
    pipeline: 'p',
    pipelineVersion: 1,
    projectId: null,
    startedBy: 'starter',
    correlationId: 'c',
    parentId: null,
    state: 'running',
    waitingFor: null,
    waitingName: null,
    pausedFrom: null,
    ending: 'succeeded',
    reasonCode: null,
    reason: null,
    interrupt: null,
    planVersion: 1,
    position: 0,
    attempt: 1,
    failures: 0,
    verdicts: {},
    resume: null,
    fence: 1,
    version: 0,
    eventSeq: 1,
    priority: 0,
    lockKey: null,
    lockState: null,
    signalsPending: 0,
    deaths: 0,
    deathsAlone: 0,
    alone: false,
    deadlineInMs: null,
    dueInMs: null,
    input: null,
    plan: steps('a', 'b', 'c'),
    ...fields,
  }
}

export const steps = (...ids: readonly string[]): Plan => ids.map((id) => ({ type: 'step', id, kind: id, title: id }))

export const aPolicy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: 60_000,
  remindEveryMs: null,
} as const

export const gated: Plan = [
  ...steps('make'),
  { type: 'gate', id: 'make-gate', name: 'make', title: 'decide', judges: 'make', policy: aPolicy },
  ...steps('after'),
]

export const aSubject = {
  artifact: { name: 'thing.md', sha256: 'ab'.repeat(32), sizeBytes: 3 },
  what: 'a thing',
  risks: [],
  questions: [],
  changes: [],
  facts: [],
}

export const aContext: SettleContext = {
  retry: 'io',
  backoff: { baseMs: 2_000, capMs: 90_000 },
  random: 1,
  gateId: '018f0000-0000-7000-8000-00000000000a',
  durationMs: 5,
  signals: [],
  cleanUp: null,
}
