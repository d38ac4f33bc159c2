import { describe, expect, test } from 'vitest'
import type { EventFacts } from './webhook-event.ts'
import { webhookBody, webhookEvents } from './webhook-event.ts'

const facts: EventFacts = {
  topic: 'run_started',
  payload: {},
  runId: '01900000-0000-7000-8000-000000000001',
  correlationId: '01900000-0000-7000-8000-000000000002',
  projectId: '01900000-0000-7000-8000-000000000003',
  sequence: 4,
  at: new Date('2026-11-23T14:05:00.000Z'),
  address: 'https://github.com/acme/shop',
  branch: 'main',
}

const deliveryId = '01900000-0000-7000-8000-000000000004'

type Told = { readonly data: Readonly<Record<string, unknown>> }

const told = (more: Partial<EventFacts>): Told =>
  JSON.parse(webhookBody({ ...facts, ...more }, deliveryId) ?? 'null') as Told

const sha256 = '9f2c11ab04de'.padEnd(64, '0')
const commit = 'a'.repeat(40)

const dataOf: Readonly<Record<string, readonly [given: EventFacts['payload'], sent: object]>> = {
  run_started: [
    { pipeline: 'factory' },
    { pipeline: 'factory', repo_url: 'https://github.com/acme/shop', branch: 'main' },
  ],
  documentation_generated: [
    { branch: 'quantapilot/r7k2/docs', commit, prNumber: 12 },
    { docs_branch: 'quantapilot/r7k2/docs', commit, pr_number: 12 },
  ],
  gate_requested: [
    { gate: 'anchor', step: 'anchor', artifact: 'docs/ANCHOR.md', sha256 },
    { gate: 'anchor', artifact: 'docs/ANCHOR.md', sha256, description: 'A decision is needed at gate anchor.' },
  ],
  gate_decision: [
    { gate: 'anchor', verdict: 'changes_requested', sha256 },
    { gate: 'anchor', verdict: 'changes_requested', approved: false, sha256 },
  ],
  milestone_completed: [{ milestone: 'M-001' }, { milestone_id: 'M-001' }],
  run_paused: [{ reason: 'budget' }, { reason: 'budget' }],
  run_resumed: [{}, {}],
  run_failed: [
    { code: 'VALIDATION_ERROR', message: 'the README says: call Ann' },
    { error_code: 'VALIDATION_ERROR', message: 'The run failed with VALIDATION_ERROR.' },
  ],
  run_completed: [{ outcome: 'succeeded' }, { outcome: 'succeeded' }],
}

test.each(webhookEvents)('%s says what happened, where in its run, and when', (topic) => {
  const [payload, data] = dataOf[topic] ?? [{}, {}]
  expect(told({ topic, payload })).toEqual({
    event: topic,
    delivery_id: deliveryId,
    run_id: facts.runId,
    correlation_id: facts.correlationId,
    project_id: facts.projectId,
    sequence: 4,
    at: '2026-11-23T14:05:00.000Z',
    data,
  })
})

test('webhooks hear of nine events and of nothing else', () => {
  expect(webhookEvents).toHaveLength(9)
  expect(webhookBody({ ...facts, topic: 'gate_vote' }, deliveryId)).toBeNull()
})

describe('nothing personal leaves', () => {
  const personal = {
    name: 'Ann Canary',
    email: 'ann.canary@example.com',
    phone: '+1 (555) 010-9999',
    plainPhone: '15550109999',
    ip: '203.0.113.77',
    ip6: '2001:db8::77:1',
    github: `ghp_${'c4N'.repeat(12)}`,
    slack: 'xoxb-123456789012-canaryCanary',
    telegram: `7123456789:AA${'canary_x'.repeat(4)}`,
    aws: 'AKIAIOSFODNN7CANARY0',
    jwt: 'eyJhbGciOiJIUzI1NiJ9.canary',
    key: 'sk-canaryCANARY0123456789',
    secret: 'Zx81canaryQQ77uuNN55ooPP33rrSS11tt',
    ssn: '078-05-1120',
    passport: 'AB 1234567 Canary',
    sentence: 'Because Ann said no',
  }
  const values = Object.values(personal)

  // In every field there is, in fields there are not, as text and deep inside.
  const payloadOf = (value: string) => ({
    ...Object.fromEntries(
      ['gate', 'step', 'artifact', 'sha256', 'verdict', 'branch', 'commit', 'prNumber', 'milestone', 'milestoneId'].map(
        (field) => [field, value],
      ),
    ),
    ...Object.fromEntries(
      ['reason', 'code', 'message', 'outcome', 'pipeline', 'description'].map((field) => [field, value]),
    ),
    decided_by: value,
    user: { email: value, names: [value] },
    [value]: value,
  })

  test.each(webhookEvents.flatMap((topic) => values.map((value) => [topic, value] as const)))(
    '%s with %j in its way',
    (topic, value) => {
      const places = [
        value,
        `https://${value}/acme/shop`,
        `https://ann:${value}@github.com/acme/shop?who=${encodeURIComponent(value)}#${value}`,
        `https://github.com/${encodeURIComponent(value)}/shop`,
        `/home/${value}/shop`,
      ]
      for (const address of places) {
        const body =
          webhookBody({ ...facts, topic, payload: payloadOf(value), address, branch: value }, deliveryId) ?? ''
        expect(body).not.toBe('')
        expect(body.includes(value), body).toBe(false)
        expect(decodeURIComponent(body).toLowerCase().includes(value.toLowerCase()), body).toBe(false)
      }
    },
  )

  test('a repository keeps its host and path, and loses who fetches it', () => {
    const urlOf = (address: string) => told({ address }).data['repo_url']
    expect(urlOf('git@github.com:acme/shop.git')).toBe('ssh://github.com/acme/shop.git')
    expect(urlOf('ssh://ann@git.example.org:2222/shop')).toBe('ssh://git.example.org:2222/shop')
    expect(urlOf('https://ann:pw@github.com/acme/shop?token=1')).toBe('https://github.com/acme/shop')
    expect(urlOf('/home/ann/shop')).toBeNull()
    expect(urlOf('file:///home/ann/shop')).toBeNull()
    expect(urlOf('https://10.0.0.7/shop')).toBeNull()
  })
})
