import { expect, test } from 'vitest'
import { administer } from '../support/administer.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { agreed, cardWhen } from '../support/house.ts'
import { atWork, isWaitingAt, twoMilestones } from '../support/real-work.ts'

const passes = 'echo true >> tests.sh'

test.runIf(hasSandbox).each([
  ['the project’s file', { settings: 'models: { dev: { temperature: 0.1, max_output_tokens: 100 } }\n' }, [100, 0.1]],
  [
    'the server’s policy',
    {
      settings: 'models: { dev: { max_output_tokens: 9000 } }\n',
      policy: 'models: { dev: { max_output_tokens: 4000 } }\n',
    },
    [4_000, undefined],
  ],
])('what %s says of answers holds every call of a coding agent', { timeout: 90_000 }, async (_, files, held) => {
  const { house, handle, heard } = await atWork({ commands: [passes], ...files })
  await cardWhen(house, handle, isWaitingAt('M-001'))
  const sent = heard.map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(sent.map((body) => [body['max_output_tokens'], body['temperature']])).toEqual([held, held])
  const rows = await administer(
    house.database.connection,
    `select reserved_tokens from app.reservations where purpose like 'agent %'`,
  )
  expect(rows).toHaveLength(2)
  for (const row of rows) expect(Number(row['reserved_tokens'])).toBeLessThan(Number(held[0]) + 5_000)
})

test.runIf(hasSandbox)(
  'where tests need not pass, a change that fails them goes to people at once, who are told, and nobody merges it unasked',
  { timeout: 90_000 },
  async () => {
    const settings = 'gates: { tests_required: false }\n'
    const { house, handle } = await atWork({
      commands: ['echo x >> a.txt; echo false > tests.sh'],
      settings,
      readme: twoMilestones,
    })
    for (const gate of ['M-001', 'M-002']) {
      const card = await cardWhen(house, handle, isWaitingAt(gate))
      const { risks, facts } = card.gates.find(({ name }) => name === gate)?.subject ?? { risks: [], facts: [] }
      expect(risks).toContain(
        `The tests fail: the project’s commands ended with 2. ${gate}/test-1.txt has what they printed.`,
      )
      expect(facts.join()).not.toContain('tests passed')
      agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
  },
)
