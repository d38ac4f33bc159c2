import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { RunningProcess } from '../../adapters/process/run.ts'
import type { RunCard } from '../../core/model/card.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import { hearGitHub } from '../../main/github-events.ts'
import { administer } from '../support/administer.ts'
import { type Foundry, openFoundry, processesWith } from '../support/foundry.ts'
import type { Repository } from '../support/github/state.ts'
import { agreed, git, isAtEnd, isAtGate, makeRepository, startFactory } from '../support/house.ts'
import { until } from '../support/program.ts'
import { type GitPoint, type RowPoint, type Trap, trapAt, trapInDatabase, trapWhere } from '../support/trap.ts'

export type Host = 'github' | 'folder'

/**
 * A place of a milestone to die at: while a row is written or committed, around a command of git, around a request to
 * GitHub, while the agent's model is asked, while a program runs in a sandbox, or while the run waits.
 */
export type Point = {
  readonly name: string
  /** Where there is such a place; both unless given. */
  readonly host?: Host
  /** Calls of the agent whose outcome nobody ever hears, so that what was set aside for them stays so. */
  readonly lost?: number
  /** What runs in a sandbox just then. */
  readonly alive?: 'agent' | 'tests'
} & (
  | (RowPoint & { readonly from?: 'gate' })
  | GitPoint
  | { readonly request: RegExp; readonly moment: 'before' | 'after'; readonly nth?: number }
  | { readonly answer: number }
  | { readonly books: number }
  | { readonly running: 'tests' }
  | { readonly waits: 'signal' | 'gate' }
)

const settledStep = (step: string): RowPoint => ({
  table: 'attempts',
  on: 'insert',
  when: `new.step_id = '${step}'`,
})
const effectDone = (step: string, kind: string): RowPoint => ({
  table: 'effects',
  on: 'update',
  when: `new.state = 'done' and new.kind = '${kind}' and new.step_id = '${step}'`,
})
const setAside: RowPoint = { table: 'reservations', on: 'insert', when: `new.step_id = 'm-001-implement'` }
const around = (name: string, place: Omit<GitPoint, 'moment'> & { readonly host: Host }): readonly Point[] => [
  { ...place, name: `${name}: about to be`, moment: 'before' },
  { ...place, name: `${name}: done, its answer lost`, moment: 'after' },
]
const asked = (name: string, place: { readonly request: RegExp; readonly nth: number }): readonly Point[] => [
  { ...place, name: `${name}: about to be`, host: 'github', moment: 'before' },
  { ...place, name: `${name}: done, its answer lost`, host: 'github', moment: 'after' },
]

const branch = 'refs/heads/quantapilot/[a-z0-9]+/m-001'

/** Every named crash point of a milestone. */
export const points: readonly Point[] = [
  { name: 'planning: the task written, not yet recorded', ...settledStep('m-001-plan') },
  { name: 'workspace: being laid out', git: ' cat-file --batch', moment: 'before' },
  { name: 'money: about to be set aside', ...setAside },
  { name: 'money: set aside, not yet committed', ...setAside, atCommit: true },
  { name: 'agent: its first call under way', answer: 1, lost: 1 },
  { name: 'agent: at work, its next call under way', answer: 2, lost: 1, alive: 'agent' },
  { name: 'money: the provider has answered, its use not yet booked', books: 3, lost: 1 },
  {
    name: 'agent: done, its patch not yet kept',
    table: 'artifacts',
    on: 'insert',
    when: `new.media_type = 'text/x-diff'`,
  },
  { name: 'agent: its patch kept, not yet recorded', ...settledStep('m-001-implement') },
  { name: 'tests: under way', running: 'tests', alive: 'tests' },
  { name: 'tests: passed, not yet recorded', ...settledStep('m-001-test') },
  { name: 'review: done, not yet recorded', ...settledStep('m-001-review') },
  ...around('branch', { git: ` push .*${branch}$`, host: 'github' }),
  ...around('branch in a folder', { git: ` update-ref -m quantapilot ${branch} `, host: 'folder' }),
  { name: 'branch: made, not yet noted', ...effectDone('m-001-publish', 'branch') },
  ...asked('pull request', { request: /^POST .*\/pulls$/, nth: 2 }),
  { name: 'pull request: made, not yet noted', host: 'github', ...effectDone('m-001-publish', 'pull_request') },
  { name: 'checks: waited for', host: 'github', waits: 'signal' },
  { name: 'checks: passed, not yet recorded', ...settledStep('m-001-checks') },
  { name: 'gate: opened, not yet committed', table: 'gates', on: 'insert', when: `new.name = 'M-001'`, atCommit: true },
  { name: 'gate: waited at', waits: 'gate' },
  {
    name: 'gate: decided, the run being taken up again',
    table: 'runs',
    on: 'update',
    when: `new.state = 'running' and old.state = 'queued'`,
    from: 'gate',
  },
  ...around('tag', { git: ' push .*refs/tags/lkg-', host: 'github', nth: 2 }),
  ...around('tag in a folder', { git: ' update-ref -m quantapilot refs/tags/lkg-', host: 'folder', nth: 2 }),
  { name: 'tag: made, not yet noted', ...effectDone('m-001-merge', 'tag') },
  ...asked('merge', { request: /^PUT .*\/merge$/, nth: 2 }),
  ...around('merge in a folder', { git: ' update-ref -m quantapilot refs/heads/main ', host: 'folder', nth: 2 }),
  ...around('files of the folder', { git: ' read-tree -m -u ', host: 'folder', nth: 2 }),
  { name: 'merge: made, not yet noted', ...effectDone('m-001-merge', 'merge') },
  ...around('branch removal', { git: ` push .* :${branch}$`, host: 'github' }),
  ...around('branch removal in a folder', { git: ` update-ref -d ${branch} `, host: 'folder' }),
  { name: 'merge: made and cleaned up, not yet recorded', ...settledStep('m-001-merge') },
  {
    name: 'end: reached, not yet committed',
    table: 'runs',
    on: 'update',
    when: `new.state = 'succeeded'`,
    atCommit: true,
  },
]

const readme = `# Shop

A shop for parts. It runs where Node runs.

## Paying

- Customers must pay by card.
- A payment that fails must be shown with the reason.
`

const marks = { agent: `4711.${process.pid}01`, tests: `1.${process.pid}02` }

const commands = [
  `setsid sleep ${marks.agent} >/dev/null 2>&1 & echo 'paid() { echo paid; }' > shop.sh`,
  `printf '. ./shop.sh; [ "$(paid)" = paid ] && exec sleep ${marks.tests}\\n' > tests.sh`,
]

const files = { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n' }

/** Where the runs of one host are taken. */
type Ground = {
  readonly foundry: Foundry
  /** What the provider does before it gives its n-th answer, and GitHub around a request. */
  readonly hooks: {
    answer: (n: number) => Promise<void>
    before: (line: string) => Promise<void>
    after: (line: string) => Promise<void>
    /** No check has reported on the milestone's commit. */
    isSilent: boolean
  }
  worker: RunningProcess
}

async function openGround(host: Host): Promise<Ground> {
  const hooks: Ground['hooks'] = { answer: nothing, before: nothing, after: nothing, isSilent: false }
  const foundry = await openFoundry({ host, commands, ready: (n) => hooks.answer(n) })
  return { foundry, hooks, worker: await foundry.start() }
}

const nothing = (): Promise<void> => Promise.resolve()

/** A fresh repository, and where its branches are. */
type Shop = { readonly address: string; readonly folder: string; readonly remote: Repository | null }

async function openShop({ foundry: { github, state }, hooks }: Ground, n: number): Promise<Shop> {
  if (github === null) {
    // The same commit each time: documents name it.
    if (n === 0) await makeRepository(state, 'model', files)
    const folder = join(state.dir, `${n}`, 'shop')
    await cp(join(state.dir, 'model'), folder, { recursive: true })
    return { address: folder, folder, remote: null }
  }
  for (const { folder } of github.state.repositories.splice(0)) await rm(folder, { recursive: true })
  const made = await github.repository('olivia/shop', files)
  github.state.beforeAnswer = async (line) => {
    const [, sha] = /^GET .*\/commits\/(\w+)\/check-runs$/.exec(line) ?? []
    if (sha !== undefined && !(hooks.isSilent && (await isOfMilestone(made, sha)))) report(made, sha)
    await hooks.before(line)
  }
  github.state.afterEffect = (line) => hooks.after(line)
  return { address: made.address, folder: made.folder, remote: made }
}

const isOfMilestone = async ({ folder }: Repository, sha: string): Promise<boolean> =>
  (await git(folder, 'branch', '--contains', sha)).includes('/m-001')

/** The continuous integration of the repository has passed this commit. */
function report({ checkRuns }: Repository, sha: string): void {
  if (checkRuns.some((check) => check.sha === sha && check.name === 'ci')) return
  const id = 9_000 + checkRuns.length
  checkRuns.push({ id, externalId: null, name: 'ci', sha, status: 'completed', conclusion: 'success', summary: '' })
}

/** What became of a run. */
type Trip = { readonly handle: string; readonly shop: Shop; readonly tree: string }

async function travel(ground: Ground, shop: Shop, point: Point | null): Promise<Trip & { readonly died: boolean }> {
  const { state } = ground.foundry
  const handle = await startFactory(state, shop.address)
  const early = point === null || isLate(point) ? null : await dieAtTrap(ground, handle, point)
  await approve(ground, handle, 'anchor')
  await approve(ground, handle, 'first-merge')
  await seen(ground, handle, (card) => isOpen(card, 'M-001') || isAtEnd(card))
  const late = point !== null && isLate(point) ? await dieAtTrap(ground, handle, point) : null
  const fate = early ?? late
  if (point !== null && 'waits' in point) await fate?.death
  await approve(ground, handle, 'M-001')
  await seen(ground, handle, isAtEnd)
  await fate?.open()
  const died = (await fate?.death) ?? false
  return { handle, shop, died, tree: await git(shop.folder, 'ls-tree', '-r', 'main') }
}

const isLate = (point: Point): boolean => 'from' in point && point.from === 'gate'

async function dieAtTrap(ground: Ground, handle: string, point: Point) {
  const trap = await setTrap(ground, handle, point)
  const death = dieIn(ground, trap, point)
  // Asked for at the end of the journey; a failure before that is no surprise then.
  death.catch(() => undefined)
  return { death, open: () => trap.open() }
}

async function seen({ foundry }: Ground, handle: string, isThere: (card: RunCard) => boolean): Promise<RunCard> {
  let last: RunCard | null = null
  await until(
    async () => {
      const reply = agreed(await foundry.state.ask({ kind: 'status', run: handle, page: 1 }))
      last = reply.kind === 'card' ? reply.card : null
      return last !== null && isThere(last)
    },
    `run ${handle}`,
    120_000,
  ).catch((error: unknown) => {
    throw new Error(JSON.stringify(last), { cause: error })
  })
  return last as unknown as RunCard
}

const isOpen = (card: RunCard, gate: string): boolean =>
  isAtGate(card) && card.gates.some(({ name, verdict }) => name === gate && verdict === null)

async function approve(ground: Ground, handle: string, gate: string): Promise<void> {
  await seen(ground, handle, (card) => isOpen(card, gate))
  agreed(await ground.foundry.state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
}

async function setTrap(ground: Ground, handle: string, point: Point): Promise<Trap> {
  const { foundry, hooks } = ground
  if ('table' in point) return await trapInDatabase(foundry.state.database.connection, point)
  if ('git' in point) return await foundry.git.set(point)
  if ('running' in point) return trapWhere(async () => (await processesWith(marks[point.running])) > 0)
  if ('waits' in point) {
    hooks.isSilent = point.waits === 'signal'
    const waits = (card: RunCard): boolean =>
      point.waits === 'gate' ? isOpen(card, 'M-001') : card.waitingFor === 'signal'
    return trapWhere(async () => seen(ground, handle, (card) => waits(card) || isAtEnd(card)).then(waits))
  }
  if ('books' in point) return trapAtBooking(ground, point.books)
  const trap = trapAt()
  let times = 0
  if ('answer' in point) {
    hooks.answer = async (n) => {
      if (n !== point.answer) return
      await onlyOneOpen(foundry)
      await trap.pass()
    }
  } else {
    hooks[point.moment] = async (line) => {
      if (!point.request.test(line) || ++times !== (point.nth ?? 1)) return
      await trap.pass()
      // Who asked is dead: what was not begun is not done.
      if (point.moment === 'before') throw new Error('nobody is there any more')
    }
  }
  return trap
}

/** While the use of the n-th call is booked: set when all before it are. */
function trapAtBooking({ foundry, hooks }: Ground, nth: number): Trap {
  const sprung = Promise.withResolvers<boolean>()
  let inner: Trap | null = null
  hooks.answer = async (n) => {
    if (n !== nth) return
    await onlyOneOpen(foundry)
    const when = 'new.settled_at is not null'
    inner = await trapInDatabase(foundry.state.database.connection, { table: 'reservations', on: 'update', when })
    void inner.sprung.then(sprung.resolve)
  }
  return {
    sprung: sprung.promise,
    open: async () => {
      await inner?.open()
      sprung.resolve(false)
    },
  }
}

/** What calls before have cost is booked. */
const onlyOneOpen = ({ state }: Foundry): Promise<void> =>
  until(async () => {
    const sql = `select count(*)::integer as n from app.reservations v join app.runs r on r.id = v.run_id
      where v.settled_at is null and r.state = 'running'`
    return (await administer(state.database.connection, sql))[0]?.['n'] === 1
  }, 'one call is open')

/** Kills the worker once it is in the trap, and starts another one. True when it came to that. */
async function dieIn(ground: Ground, trap: Trap, point: Point): Promise<boolean> {
  if (!(await trap.sprung)) return false
  const mark = point.alive === undefined ? null : marks[point.alive]
  const isSeen = 'running' in point || mark === null
  if (!isSeen) expect(await processesWith(mark), `${point.name}: it runs`).toBeGreaterThan(0)
  await ground.worker.kill({ signal: 'SIGKILL' })
  if (mark !== null) await expect.poll(() => processesWith(mark), { timeout: 5_000 }).toBe(0)
  await trap.open()
  Object.assign(ground.hooks, { answer: nothing, before: nothing, after: nothing })
  ground.worker = await ground.foundry.start()
  if ('waits' in point && point.waits === 'signal') await passLate(ground)
  return true
}

/** The checks report after all, and GitHub says so. */
async function passLate({ foundry, hooks }: Ground): Promise<void> {
  hooks.isSilent = false
  const [repository] = foundry.github?.state.repositories ?? []
  const pull = repository?.pulls.find(({ head }) => head.endsWith('/m-001'))
  if (!repository || !pull) throw new Error('there is no pull request of the milestone')
  const sha = await git(repository.folder, 'rev-parse', pull.head)
  report(repository, sha)
  const check_run = { head_sha: sha, conclusion: 'success', name: 'ci' }
  const body = { action: 'completed', repository: { full_name: repository.fullName }, check_run }
  await hearGitHub(foundry.state.db, () => undefined)({ topic: 'check_run', body, id: '1' } as never)
}

/**
 * Takes one run from its README to the merged milestone for each point, the worker killed there. Answers with the points that
 * killed, those after which something was not as it must be with what that was, and how long each took.
 */
export async function dieAt(host: Host, chosen: readonly Point[]) {
  const ground = await openGround(host)
  const calm = await travel(ground, await openShop(ground, 0), null)
  await check(ground, calm, { name: 'nobody was killed', answer: 0 })
  const [died, wrong, tookMs]: [string[], string[], number[]] = [[], [], []]
  for (const [n, point] of chosen.entries()) {
    const from = performance.now()
    try {
      const trip = await travel(ground, await openShop(ground, n + 1), point)
      if (trip.died) died.push(point.name)
      expect(trip.tree, point.name).toBe(calm.tree)
      await check(ground, trip, point)
    } catch (error) {
      wrong.push(`${point.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
    tookMs.push(performance.now() - from)
  }
  return { died, wrong, tookMs }
}

/** How the world must look after a run on whose way one worker was lost. */
async function check({ foundry }: Ground, { handle, shop }: Trip, point: Point): Promise<void> {
  const where = point.name
  const { db, database } = foundry.state
  const reply = agreed(await foundry.state.ask({ kind: 'status', run: handle, page: 1 }))
  if (reply.kind !== 'card') throw new Error(reply.kind)
  expect(reply.card, where).toMatchObject({ state: 'succeeded' })
  const log = await git(shop.folder, 'log', '--format=%s', '--first-parent', 'main')
  expect(
    log.split('\n').map((line) => line.replace(/\(run .*\)|of run .*/, '')),
    where,
  ).toHaveLength(3)
  expect((await git(shop.folder, 'tag')).split('\n'), where).toHaveLength(2)
  expect(await git(shop.folder, 'branch', '--list', 'quantapilot/*'), where).toBe('')
  if (shop.remote === null) expect(await git(shop.folder, 'status', '--porcelain'), where).toBe('')
  else {
    expect(
      shop.remote.pulls.map(({ head, merged }) => [head, merged]),
      where,
    ).toEqual([
      [`quantapilot/${handle}/docs`, true],
      [`quantapilot/${handle}/m-001`, true],
    ])
  }
  const made = await administer(
    database.connection,
    `select kind, count(*)::integer as times from app.effects
     where run_id = '${reply.card.runId}' and step_id like 'm-001%' and state = 'done' group by kind order by kind`,
  )
  const kinds = ['branch', 'merge', ...(shop.remote ? ['pull_request'] : []), 'tag']
  expect(made, where).toEqual(kinds.map((kind) => ({ kind, times: 1 })))
  await checkMoney(foundry, reply.card, point)
  const broken = Object.entries(await checkInvariants(db)).filter(([, violations]) => violations.length > 0)
  expect(broken, where).toEqual([])
  await expect.poll(() => foundry.leftovers(), { timeout: 5_000, message: where }).toEqual([])
}

/** Each conversation has three calls of 120 tokens; what nobody heard the end of is set aside for good, and charged once at most. */
async function checkMoney({ state }: Foundry, { runId, money }: RunCard, { name, lost = 0 }: Point): Promise<void> {
  const [counts] = await administer(
    state.database.connection,
    `select count(*) filter (where settled_at is null)::integer as open, count(*) filter (where spent_tokens <> 120)::integer as odd,
       coalesce(sum(spent_tokens), 0)::integer as spent, coalesce(sum(reserved_tokens) filter (where settled_at is null), 0)::integer as held
     from app.reservations where run_id = '${runId}'`,
  )
  expect(counts, name).toMatchObject({ open: lost, odd: 0, spent: money.spentTokens })
  expect(Number(counts?.['held']) > 0, name).toBe(lost > 0)
}
