import { expect, test } from 'vitest'
import { parseCommand, wordsOf } from '../../bot/parse-command.ts'
import { sayReply } from '../../bot/phrase.ts'
import { administer } from '../support/administer.ts'
import type { TestHouse } from '../support/house.ts'
import { agreed, cardWhen, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'

/** What is said to a typed line, as on every surface. */
async function said(house: TestHouse, line: string): Promise<readonly string[]> {
  return sayReply(agreed(await house.ask(agreedCommand(line))))
}

function agreedCommand(line: string) {
  const command = parseCommand(wordsOf(line))
  if (!command.ok) throw new Error(command.refusal.message)
  return command.value
}

async function open(): Promise<{ house: TestHouse; run: string }> {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  await house.work()
  const run = await startFactory(house, folder)
  await cardWhen(house, run, isAtGate)
  return { house, run }
}

test('more gates than a page are open: each is on one page, and every page but the last says that there is another', async () => {
  const { house } = await open()
  await administer(
    house.database.connection,
    `insert into app.gates (run_id, id, step_id, kind, name, artifact, artifact_sha256, subject, policy)
     select g.run_id, gen_random_uuid(), 'more-' || n, g.kind, 'more-' || n, g.artifact, g.artifact_sha256, g.subject, g.policy
     from app.gates g, generate_series(1, 50) n`,
  )
  const pages = [await said(house, '/gates'), await said(house, '/gates 2')]
  const heads = pages.map((lines) => lines.filter((line) => /^Run \w+, gate /.test(line)))
  expect(heads.map(({ length }) => length)).toEqual([50, 1])
  expect(new Set(heads.flat()).size).toBe(51)
  expect(pages.map((lines) => lines.at(-1))).toEqual(['More: /gates 2', ''])
  expect(await said(house, '/gates 3')).toEqual(['No more gates.'])
  expect(agreed(await house.ask({ kind: 'gates' }))).toMatchObject({ page: 1, hasMore: true })
})

test('a history longer than a page is read to its end, in order', async () => {
  const { house, run } = await open()
  const before = (await said(house, `/logs ${run}`)).length
  await administer(
    house.database.connection,
    `insert into app.events (run_id, seq, kind, payload, at)
     select r.id, r.event_seq + n, 'gate_vote',
       jsonb_build_object('votes', n, 'state', r.state, 'position', r.position), app.clock_now()
     from app.runs r, generate_series(1, ${501 - before}) n;
     update app.runs set event_seq = event_seq + ${501 - before}`,
  )
  const [first, second] = [await said(house, `/logs ${run}`), await said(house, `/logs ${run} 2`)]
  expect(first).toHaveLength(501)
  expect(first.at(-1)).toBe(`More: /logs ${run} 2`)
  expect(second).toEqual([expect.stringContaining(`votes=${501 - before}`)])
  expect(await said(house, `/logs ${run} 3`)).toEqual(['No more lines.'])
})
