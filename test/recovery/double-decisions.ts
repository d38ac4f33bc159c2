import { expect, onTestFinished } from 'vitest'
import { handleOf } from '../../core/model/handle.ts'
import type { GatePolicy } from '../../core/model/plan.ts'
import { Fault } from '../../core/model/problem.ts'
import { openSession } from '../support/administer.ts'
import { openChats } from '../support/chats.ts'
import type { Choice, Counter, OpenGate, SlackCounter, TelegramCounter } from '../support/counters.ts'
import { httpOf, slackOf, telegramOf, terminalOf } from '../support/counters.ts'
import type { TestHouse } from '../support/house.ts'
import { openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'
import { until } from '../support/program.ts'
import { places } from '../support/telegram/room.ts'

const policy: GatePolicy = {
  roles: ['approver'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: 3_600_000,
  remindEveryMs: null,
}

/** A page and a gate on it. */
const gated = pipelineOf(
  'gated',
  {
    page: kind(async (ctx) => {
      const artifact = await ctx.save('page', Buffer.from('page'), 'text/plain')
      const subject = { artifact, what: 'a page', risks: [], questions: [], changes: [], facts: [] }
      return { kind: 'done', output: null, artifacts: [artifact], subject }
    }),
  },
  {
    plan: () => [
      { type: 'step', id: 'page', kind: 'page', title: 'page' },
      { type: 'gate', id: 'gate', name: 'page', title: 'gate', judges: 'page', policy },
    ],
  },
)

/** Four places to decide at, and two networks in which every card is shown. */
export type Square = {
  readonly house: TestHouse
  readonly telegram: TelegramCounter
  readonly slack: SlackCounter
  readonly http: Counter
  readonly terminal: Counter
  /** What looks on from outside. */
  readonly observer: ReturnType<typeof openSession>
  /** Shows all that is due. */
  settle(): Promise<void>
}

export async function openSquare(): Promise<Square> {
  const house = await openTestHouse({ gated })
  const [telegram, slack, http] = [await telegramOf(house), await slackOf(house), await httpOf(house)]
  const chats = openChats(house, [telegram.board, slack.board])
  // That Telegram wants its pace kept is no fault: the card comes a moment later.
  onTestFinished(() => expect(chats.faults.filter((fault) => !isPace(fault))).toEqual([]))
  const observer = openSession(house.database.connection)
  onTestFinished(() => observer.end())
  await house.work()
  const isShown = async (): Promise<boolean> => {
    await chats.settle()
    return (await observer`select from app.cards where shown < wanted and gave_up is null limit 1`).length === 0
  }
  const settle = () => until(isShown, 'every card is shown, at the pace that Telegram wants')
  return { house, telegram, slack, http, terminal: terminalOf(house), observer, settle }
}

/** Starts so many runs and answers with their gates, open and shown in both networks. */
export async function openGates(square: Square, count: number): Promise<readonly OpenGate[]> {
  const { house, telegram, slack, observer } = square
  const runs = await Promise.all(Array.from({ length: count }, () => startRunOf(house, 'gated')))
  const ids = `{${runs.map(({ id }) => id).join()}}`
  const read = () =>
    observer`select r.number::integer, g.id, g.artifact_sha256 as sha256 from app.gates g join app.runs r on r.id = g.run_id
      where r.id = any(${ids}::uuid[]) and g.verdict is null`
  await until(async () => (await read()).length === count, 'every gate is open')
  await square.settle()
  const keyOf = (shown: unknown): string => /"([\w-]{22})\.approve"/.exec(JSON.stringify(shown))?.[1] ?? ''
  return (await read()).map((row) => {
    const run = handleOf(row['number'] as number)
    const title = `Run ${run} waits for you`
    const inTelegram = telegram.api.chats.ofBot(places.ann).find(({ text }) => text?.includes(title))
    const inSlack = [...slack.fake.messages].find(([, { text }]) => text.includes(title))
    if (!inTelegram || !inSlack) throw new Error(`the gate of ${run} is not shown`)
    return {
      run,
      id: row['id'] as string,
      sha256: row['sha256'] as string,
      telegram: { message: inTelegram.message_id, key: keyOf(inTelegram.reply_markup) },
      slack: { message: inSlack[0], key: keyOf(inSlack[1].blocks) },
    }
  })
}

const pairs = [
  ['telegram', 'slack'],
  ['telegram', 'http'],
  ['telegram', 'terminal'],
  ['slack', 'http'],
  ['slack', 'terminal'],
  ['http', 'terminal'],
] as const

const choices: readonly (readonly [Choice, Choice])[] = [
  ['approve', 'approve'],
  ['approve', 'reject'],
  ['reject', 'approve'],
  ['changes', 'reject'],
  ['reject', 'changes'],
]

const words = { approve: 'approved', reject: 'rejected', changes: 'sent back for changes' } as const

/** Lets the people of each pair of places decide the same gate at the same moment, so often. Answers with the rounds won. */
export async function decideTwice(rounds: number): Promise<number> {
  const square = await openSquare()
  let done = 0
  for (const [left, right] of pairs) {
    for (let round = 0; round < rounds; round += 20) {
      const gates = await openGates(square, Math.min(20, rounds - round))
      const settled: Duel[] = []
      for (const [n, gate] of gates.entries()) {
        const isTurned = (round + n) % 2 === 1
        const sides = isTurned ? ([square[right], square[left]] as const) : ([square[left], square[right]] as const)
        settled.push(await duel(square, gate, sides, choices[(round + n) % choices.length] ?? ['approve', 'approve']))
      }
      await square.settle()
      for (const one of settled) await check(square, one)
      done += settled.length
    }
  }
  return done
}

type Duel = { readonly gate: OpenGate; readonly verdict: string; readonly winner: string }

/** Both decisions wait for the run's row until Postgres says so of both; the first in line must win, the other must hear of it. */
async function duel(
  { house, observer }: Square,
  gate: OpenGate,
  [first, second]: readonly [Counter, Counter],
  [mine, theirs]: readonly [Choice, Choice],
): Promise<Duel> {
  const decide = await first.prepare(gate, mine)
  const contradict = await second.prepare(gate, theirs)
  const holder = openSession(house.database.connection)
  try {
    await holder`begin`
    await holder`select from app.runs where id = (select run_id from app.gates where id = ${gate.id}) for update`
    const won = decide()
    await blocked(observer, [first])
    const lost = contradict()
    await blocked(observer, [first, second])
    const freed = performance.now()
    await holder`rollback`
    const refusal = await lost
    expect(performance.now() - freed).toBeLessThan(3_000)
    expect(refusal).toMatch(
      new RegExp(`already ${words[mine]} by ${first.person} at \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC`),
    )
    expect(await won).not.toContain('already')
  } finally {
    await holder.end()
  }
  return { gate, verdict: words[mine], winner: first.person }
}

/** Resolves when Postgres says that a session of each of them waits for a lock of another. */
async function blocked(observer: ReturnType<typeof openSession>, counters: readonly Counter[]): Promise<void> {
  const names = `{${counters.map(({ process }) => `"${process}"`).join()}}`
  const deadline = performance.now() + 5_000
  for (;;) {
    const waiting = await observer`
      select distinct application_name from pg_stat_activity where datname = current_database()
        and application_name = any(${names}::text[]) and wait_event_type = 'Lock' and cardinality(pg_blocking_pids(pid)) > 0`
    if (waiting.length === counters.length) return
    if (performance.now() > deadline) throw new Error(`not all of ${names} wait for a lock`)
  }
}

/** One decision, and both cards tell of it in the same words with nothing left to press. */
async function check({ observer, telegram, slack }: Square, { gate, verdict, winner }: Duel): Promise<void> {
  const [kept] = await observer`
    select (select count(*)::integer from app.votes v where v.gate_id = g.id) as votes,
      (select count(*)::integer from audit.entries a where a.run_id = g.run_id and a.action like 'gate.%') as audited
    from app.gates g where g.id = ${gate.id} and g.verdict is not null`
  expect(kept).toEqual({ votes: 1, audited: 1 })
  const card = telegram.api.chats.message(places.ann, gate.telegram.message)
  const other = slack.fake.messages.get(gate.slack.message)
  expect(card.text).toMatch(new RegExp(`^[✓✗] gate page ${verdict} by ${winner} at .+ UTC · run ${gate.run}\\n`))
  expect(card.text).toContain('a page')
  expect(other?.text).toBe(card.text)
  expect(card.reply_markup?.inline_keyboard ?? []).toEqual([])
  expect(JSON.stringify(other?.blocks)).not.toContain('"actions"')
}

const isPace = (fault: unknown): boolean => fault instanceof Fault && fault.code === 'RATE_LIMIT'
