import { expect } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import { administer } from '../support/administer.ts'
import { startGitHub } from '../support/github/github.ts'
import { cardWhen, git, isAtEnd } from '../support/house.ts'
import { ada } from '../support/slack/open.ts'
import { pressOf } from '../support/slack/sign.ts'
import { places } from '../support/telegram/room.ts'
import type { Town } from '../support/town.ts'
import { askInTelegram, everywhere, latestButton, openTown, shownIn } from '../support/town.ts'
import { type RowPoint, type Trap, trapAt, trapInDatabase } from '../support/trap.ts'

type Role = 'bot' | 'worker' | 'cron'

/**
 * A place to die at. In the database the process dies while it writes a row, or while it commits the row; outside, when
 * its call has had its effect and before it hears so.
 */
export type Point = {
  readonly name: string
  readonly role: Role
  /** What a process does only when it is new. */
  readonly isAtStart?: true
  /** SQL that makes it due. */
  readonly given?: string
} & (RowPoint | { readonly network: 'telegram' | 'slack' | 'github'; readonly call: RegExp; readonly says?: RegExp })

/** The run before is over for longer than it is kept. */
const agedRuns = `update app.runs set created_at = created_at - interval '200 days', finished_at = finished_at - interval '200 days'`

/** Every boundary of a journey at which a process may be lost. */
export const points: readonly Point[] = [
  { name: 'command: its answer not yet kept', role: 'bot', table: 'inbox', on: 'insert' },
  { name: 'command: done, not yet committed', role: 'bot', table: 'inbox', on: 'insert', atCommit: true },
  {
    name: 'command: done and answered, its update not yet confirmed',
    role: 'bot',
    network: 'telegram',
    call: /^sendMessage$/,
    says: /Run r\w+ started/,
  },
  { name: 'outbox: committed, not yet taken', role: 'bot', table: 'outbox', on: 'update', when: 'new.sent_at is null' },
  { name: 'outbox: told, not yet marked', role: 'bot', table: 'outbox', on: 'update', when: 'new.sent_at is not null' },
  { name: 'card: being placed', role: 'bot', table: 'cards', on: 'insert', when: `new.kind = 'gate'` },
  { name: 'card: placed, not yet committed', role: 'bot', table: 'cards', on: 'insert', atCommit: true },
  {
    name: 'card: posted in Telegram, not yet recorded',
    role: 'bot',
    network: 'telegram',
    call: /^sendMessage$/,
    says: /waits for you/,
  },
  {
    name: 'card: posted in Slack, not yet recorded',
    role: 'bot',
    network: 'slack',
    call: /^chat.postMessage$/,
    says: /waits for you/,
  },
  {
    name: 'card: being recorded',
    role: 'bot',
    table: 'cards',
    on: 'update',
    when: `new.kind = 'gate' and old.place is null and new.place is not null`,
  },
  {
    name: 'card: settled in Telegram, not yet recorded',
    role: 'bot',
    network: 'telegram',
    call: /^editMessageText$/,
    says: /approved by Ada/,
  },
  {
    name: 'card: settled in Slack, not yet recorded',
    role: 'bot',
    network: 'slack',
    call: /^chat.update$/,
    says: /approved by Ada/,
  },
  { name: 'decision: its vote being written', role: 'bot', table: 'votes', on: 'insert' },
  { name: 'decision: made, not yet committed', role: 'bot', table: 'votes', on: 'insert', atCommit: true },
  {
    name: 'receipt: sent, not yet recorded',
    role: 'bot',
    network: 'slack',
    call: /^chat.postMessage$/,
    says: /an account of yours/,
  },
  {
    name: 'claim: being made',
    role: 'worker',
    table: 'runs',
    on: 'update',
    when: `new.state = 'running' and old.state = 'queued'`,
  },
  {
    name: 'claim: made, the first step under way',
    role: 'worker',
    isAtStart: true,
    network: 'github',
    call: /^POST .*access_tokens$/,
  },
  { name: 'step: done, not yet recorded', role: 'worker', table: 'attempts', on: 'insert' },
  { name: 'step: recorded, not yet committed', role: 'worker', table: 'attempts', on: 'insert', atCommit: true },
  { name: 'step: the gate opened, not yet committed', role: 'worker', table: 'gates', on: 'insert', atCommit: true },
  { name: 'effect: intended', role: 'worker', table: 'effects', on: 'insert' },
  {
    name: 'effect: the pull request made, not yet recorded',
    role: 'worker',
    network: 'github',
    call: /^POST .*\/pulls$/,
  },
  {
    name: 'effect: the check run made, not yet recorded',
    role: 'worker',
    network: 'github',
    call: /^POST .*\/check-runs$/,
  },
  { name: 'schedule: its tick being taken', role: 'cron', isAtStart: true, table: 'ticks', on: 'insert' },
  {
    name: 'schedule: its tick done, not yet marked',
    role: 'cron',
    isAtStart: true,
    table: 'ticks',
    on: 'update',
    when: 'new.outcome is not null',
  },
  {
    name: 'purge: a run being removed',
    role: 'cron',
    isAtStart: true,
    given: agedRuns,
    table: 'runs',
    on: 'delete',
  },
  {
    name: 'purge: a run removed with all it left, not yet committed',
    role: 'cron',
    isAtStart: true,
    given: agedRuns,
    table: 'runs',
    on: 'delete',
    atCommit: true,
  },
]

type City = {
  readonly town: Town
  readonly github: Awaited<ReturnType<typeof startGitHub>>
  readonly shop: Awaited<ReturnType<Awaited<ReturnType<typeof startGitHub>>['repository']>>
  readonly processes: Map<Role, RunningProcess>
}

async function openCity(): Promise<City> {
  const github = await startGitHub()
  const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'
  const shop = await github.repository('olivia/shop', { 'README.md': readme })
  const identity = github.app([{ repositories: ['olivia/shop'] }])
  const town = await openTown({
    GITHUB_APP_ID: identity.appId,
    GITHUB_PRIVATE_KEY: identity.privateKey,
    GITHUB_API_URL: `${github.url}/api/v3`,
    NODE_EXTRA_CA_CERTS: github.caFile,
    QP_GIT_CA_FILE: github.caFile,
    QP_ALLOWED_HOSTS: 'localhost',
  })
  const processes = new Map<Role, RunningProcess>()
  for (const role of ['worker', 'bot', 'cron'] as const) processes.set(role, await town.start(role))
  return { town, github, shop, processes }
}

/** Takes one run on its whole way for each point, a process of the point's role killed there. Answers with the points that killed. */
export async function dieAt(chosen: readonly Point[]): Promise<readonly string[]> {
  const city = await openCity()
  const died: string[] = []
  for (const point of chosen) {
    const trap = await setTrap(city, point)
    const kill = trap.sprung.then(async (isSprung) => {
      if (!isSprung) return
      await city.processes.get(point.role)?.kill({ signal: 'SIGKILL' })
      await trap.open()
      city.processes.set(point.role, await city.town.start(point.role))
      died.push(point.name)
    })
    if (point.given !== undefined) await administer(city.town.state.database.connection, point.given)
    if (point.isAtStart) await beginAnew(city, point.role)
    const [handle] = await Promise.all([travelPast(city, trap), kill])
    await check(city, handle, point.name)
  }
  return died
}

async function travelPast(city: City, trap: Trap): Promise<string> {
  try {
    return await travel(city)
  } finally {
    await trap.open()
  }
}

/** Starts a process of this role as if nothing that is done once in a while had been done yet. */
async function beginAnew({ town, processes }: City, role: Role): Promise<void> {
  await processes.get(role)?.kill({ signal: 'SIGKILL' })
  await administer(town.state.database.connection, 'delete from app.ticks')
  processes.set(role, await town.start(role))
}

/** Started in Telegram, approved in Slack, published on GitHub, told in both. */
async function travel({ town, shop }: City): Promise<string> {
  const handle = await askInTelegram(town, shop.address)
  await everywhere(town, new RegExp(`Run ${handle} waits for you: ANCHOR.md`))
  void town.slack.sockets.send('interactive', pressOf(ada, latestButton(town), town.slack.responseUrl()))
  await everywhere(town, new RegExp(`✓ gate anchor approved by Ada at .* UTC · run ${handle}`))
  await everywhere(town, new RegExp(`Run ${handle} is done`))
  await everywhere(town, new RegExp(`Run ${handle} .*✓ done`))
  return handle
}

const setTrap = (city: City, point: Point): Promise<Trap> =>
  'table' in point
    ? trapInDatabase(city.town.state.database.connection, point)
    : Promise.resolve(setInNetwork(city, point))

type InNetwork = Extract<Point, { network: string }>

/** A server that has done what it was asked and does not answer, once. */
function setInNetwork({ town, github }: City, { network, call, says = /^/ }: InNetwork): Trap {
  const trap = trapAt()
  const hold = (method: string, text: unknown): Promise<void> =>
    call.test(method) && says.test(JSON.stringify(text)) ? trap.pass() : Promise.resolve()
  if (network === 'telegram') town.telegram.afterEffect = ({ method, payload }) => hold(method, payload)
  else if (network === 'slack') town.slack.afterEffect = hold
  else github.state.afterEffect = (line) => hold(line, '')
  return trap
}

/** How the world must look after a journey on which one process was lost. */
async function check({ town, shop }: City, handle: string, where: string): Promise<void> {
  const card = await cardWhen(town.state, handle, isAtEnd)
  expect(card, where).toMatchObject({ state: 'succeeded', gates: [{ verdict: 'approved', decidedBy: 'Ada' }] })
  const branch = `quantapilot/${handle}/docs`
  expect(await git(shop.folder, 'branch', '--list', `quantapilot/${handle}/*`), where).toBe(branch)
  expect(
    shop.pulls.filter(({ head }) => head === branch),
    where,
  ).toHaveLength(1)
  const [votes] = await administer(
    town.state.database.connection,
    `select count(*)::integer as votes from app.votes where run_id = '${card.runId}'`,
  )
  expect(votes, where).toEqual({ votes: 1 })
  const { telegram, slack } = shownIn(town)
  const sameIn = (says: RegExp): void => {
    const [left, right] = [telegram, slack].map((texts) => texts.find((text) => says.test(text)))
    expect(left, where).toBeDefined()
    expect(right, where).toBe(left)
  }
  const kinds = [
    new RegExp(`^✓ gate anchor approved by Ada at .* UTC · run ${handle}\\n`),
    new RegExp(`^Run ${handle} .*✓ done`),
    new RegExp(`^✓ Run ${handle} is done`),
  ]
  kinds.forEach(sameIn)
  const settled = [...town.slack.messages.values()].filter(({ text }) => kinds[0]?.test(text))
  expect(JSON.stringify(settled), where).not.toContain('"actions"')
  const group = town.telegram.chats.ofBot(places.group).filter(({ text }) => kinds[0]?.test(text ?? ''))
  expect(
    group.flatMap(({ reply_markup }) => reply_markup?.inline_keyboard ?? []),
    where,
  ).toEqual([])
  // Each is there once in each network; what a network has posted and nobody recorded may be there once more, open for
  // good. Whoever dies may have been posting in both at that moment.
  const open = new RegExp(`^● Run ${handle} waits`)
  for (const [network, texts] of Object.entries({ telegram, slack })) {
    const times = (says: RegExp): number => texts.filter((text) => says.test(text)).length
    const repeated = kinds.reduce((sum, says) => sum + times(says) - 1, times(open))
    expect(repeated, `messages repeated in ${network} ${where}`).toBeLessThanOrEqual(1)
  }
  // What a killed purge has begun is whole again.
  const [halves] = await administer(
    town.state.database.connection,
    `select count(*)::integer as halves from app.plans p full join app.runs r on r.id = p.run_id
     where p.run_id is null or r.id is null`,
  )
  expect(halves, where).toEqual({ halves: 0 })
  const broken = Object.entries(await checkInvariants(town.state.db)).filter(([, violations]) => violations.length > 0)
  expect(broken, where).toEqual([])
}
