import type { GateCard, RunCard } from '../core/model/card.ts'

const at = new Date('2026-01-15T09:00:00Z')

/** A gate over a first ANCHOR.md that nobody has decided. */
export const gate: GateCard = {
  gateId: 'g',
  runId: 'r',
  handle: 'r7k2',
  name: 'anchor',
  kind: 'plan',
  subject: {
    artifact: { name: 'docs/ANCHOR.md', sha256: '9f2c11ab04de'.padEnd(64, '0'), sizeBytes: 6_204 },
    what: 'ANCHOR.md of shop',
    risks: ['text addressed to an agent'],
    questions: ['Q1 Who may delete a parcel? (README.md:31)'],
    changes: [],
    facts: ['14 requirements, each cited'],
  },
  roles: ['approver'],
  people: null,
  quorum: 1,
  escalated: null,
  votes: 0,
  openedAt: at,
  expiresAt: null,
  verdict: null,
  decidedBy: null,
  decidedInPlaceOf: null,
  decidedAt: null,
}

/** Its run. */
export const card: RunCard = {
  runId: 'r',
  handle: 'r7k2',
  correlationId: 'c1',
  pipeline: 'factory',
  project: { name: 'shop', address: '/repos/shop' },
  state: 'waiting',
  waitingFor: 'gate',
  reasonCode: null,
  reason: null,
  phase: { n: 3, of: 6, title: 'waiting for a decision' },
  progress: null,
  tries: 0,
  startedAt: at,
  elapsedMs: 5_800,
  money: { spentMicros: 0, reservedMicros: 0, capMicros: 10_000_000, spentTokens: 0, capTokens: 2_000_000 },
  outlook: null,
  takenBack: [],
  retriedAs: null,
  isPastDeadline: false,
  pullRequest: null,
  behind: null,
  gates: [gate],
  startedBy: 'ada',
}
