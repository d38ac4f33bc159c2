import { expect, test } from 'vitest'
import type { RunCard } from './card.ts'
import { pinGate } from './pin-gate.ts'

const gate = (name: string, verdict: string | null) => ({
  gateId: `id of ${name}`,
  name,
  verdict,
  subject: { artifact: { sha256: `sha of ${name}` } },
})
const card = (...gates: readonly unknown[]) => ({ handle: 'r7k2', gates }) as unknown as RunCard
const meant = (name: string | null, sha256: string | null = null) => ({ run: 'r7k2', gate: name, sha256 })
const plan = gate('plan', null)
const anchor = gate('anchor', null)
const decided = gate('anchor', 'approved')

test.each([
  ['the only open gate', card(decided, plan), meant(null), { gate: 'id of plan', sha256: 'sha of plan' }],
  ['the one named', card(plan, anchor), meant('anchor'), { gate: 'id of anchor', sha256: 'sha of anchor' }],
  ['bytes that were named stay so', card(plan), meant(null, 'ab12'), { gate: 'id of plan', sha256: 'ab12' }],
])('a decision without its words is held to %s', (_, shown, decision, pinned) => {
  expect(pinGate(shown, decision)).toEqual({ ok: true, value: { run: 'r7k2', ...pinned } })
})

test.each([
  ['nothing is open', card(decided), meant(null), { code: 'not_found', next: 'See /status r7k2.' }],
  ['the one named is not open', card(plan, decided), meant('anchor'), { code: 'not_found' }],
  ['it may mean several', card(plan, anchor), meant(null), { code: 'usage', message: /2 open gates: plan, anchor/ }],
])('nobody is asked for words where %s', (_, shown, decision, refusal) => {
  const message = expect.stringMatching('message' in refusal ? refusal.message : /./) as string
  expect(pinGate(shown, decision)).toMatchObject({ ok: false, refusal: { ...refusal, message } })
})
