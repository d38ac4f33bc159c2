import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import { createGitSourceControl } from '../../adapters/git/source-control.ts'
import type { GitSourceControlOptions } from '../../adapters/git/tools.ts'
import { createTrunk } from '../../adapters/git/trunk.ts'
import { isPublicHost } from '../../adapters/network/host.ts'
import { runProcess } from '../../adapters/process/run.ts'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { Desk } from '../../core/commands/desk.ts'
import { execute } from '../../core/commands/execute.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import type { EngineSettings } from '../../core/engine/settings.ts'
import { Worker } from '../../core/engine/worker.ts'
import type { Actor } from '../../core/model/actor.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Refusal, Result } from '../../core/model/problem.ts'
import { redactor } from '../../core/model/redact.ts'
import { isOver } from '../../core/model/run.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import type { Author, CodeHost, LabelRequests } from '../../core/ports.ts'
import type { CommitChecks, Trunk } from '../../core/workshop.ts'
import { Database } from '../../core/store/database.ts'
import { checkInvariants } from '../../core/store/invariants.ts'
import { appRole } from '../../core/store/role.ts'
import { uuidv7 } from '../../core/store/uuid.ts'
import type { FactoryPorts } from '../../pipelines/factory/ports.ts'
import type { ServerPolicy } from '../../pipelines/factory/settings/settings.ts'
import { parseCeiling, sayFindings } from '../../pipelines/factory/settings/settings.ts'
import { pipelines } from '../../pipelines/index.ts'
import { forgetKeys, peopleOf } from './people.ts'
import type { TestDatabase } from './postgres.ts'
import { createTestDatabase } from './postgres.ts'
import { makeScratch } from './scratch.ts'

const noCap = { capMicros: null, capTokens: null }

/** Runs are held to their own cap only. */
export const uncapped: EngineSettings['money'] = {
  zone: 'UTC',
  projectDay: noCap,
  actorDay: noCap,
  instanceDay: noCap,
  hour: noCap,
  minute: noCap,
}

/** The engine's test profile: the same code as production under shorter times. */
export const testSettings: EngineSettings = {
  leaseMs: 3_000,
  beatMs: 1_000,
  reapMs: 1_000,
  pollMs: 200,
  concurrency: 64,
  actorCap: null,
  backoff: { baseMs: 50, capMs: 1_000 },
  deathsAloneAllowed: 3,
  graceMs: 2_000,
  money: uncapped,
  texts: { areKept: true, redact: redactor([]) },
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A database, the product wired to it under its own role, and a person who may do everything; gone after the test, invariants checked. */
export type TestHouse = {
  readonly database: TestDatabase
  readonly db: Database
  readonly desk: Desk
  readonly actor: Actor
  readonly dir: string
  ask(command: Command, as?: Actor, deliveryId?: string): Promise<Result<Reply>>
  /** Begins a worker of the given settings; it stops when the test ends. */
  work(settings?: Partial<EngineSettings>): Promise<Worker>
}

/** What the house reaches outside: no code host and the strictest git unless given. */
export type World = {
  readonly codeHost: CodeHost | null
  readonly git: Partial<GitSourceControlOptions>
  /** Null or not given: the built-in author. */
  readonly author?: Author | null
  /** Names of the models there are; not given: none. */
  readonly models?: readonly string[]
  /** Not given: nobody writes code. */
  readonly workshop?: (options: GitSourceControlOptions) => FactoryPorts['workshop']
  /** What an undo goes to default branches by; git itself unless given. */
  readonly trunk?: (options: GitSourceControlOptions) => Trunk
  /** What checks there say; not given: nothing does. */
  readonly checks?: CommitChecks
  readonly labels?: LabelRequests
  /** The server's own policy, as its operator wrote it. */
  readonly policy?: string
}

/** Opens a house on a fresh database, or on a given one for that account; `more` adds pipelines to the product's own. */
export async function openTestHouse(
  more: Readonly<Record<string, Pipeline>> = {},
  given: { readonly database: TestDatabase; readonly account: string; readonly keysDir: string } | null = null,
  world: World = { codeHost: null, git: {} },
): Promise<TestHouse> {
  const database = given?.database ?? (await createTestDatabase())
  const dir = await makeScratch('qp-house-')
  const db = new Database(database.connection, {
    name: 'quantapilot test',
    poolSize: 6,
    role: appRole,
    onIdleError: () => undefined,
  })
  const options: GitSourceControlOptions = {
    stateDir: join(dir, 'state'),
    allowedSchemes: ['https', 'ssh'],
    allowFolders: true,
    allowedHosts: null,
    env: { PATH: path },
    gitTimeoutMs: 30_000,
    ...world.git,
  }
  const { codeHost, policy, author = null, trunk, checks = null, labels = null } = world
  const ports = {
    source: createGitSourceControl(options),
    author: author ?? createBuiltinAuthor(),
    models: world.models ?? [],
    trunk: trunk?.(options) ?? createTrunk(options),
    codeHost,
    checks,
    labels,
    workshop: world.workshop?.(options) ?? null,
    serverPolicy: policyOf(policy),
  }
  const known = { ...pipelines(ports), ...more }
  const workers: Worker[] = []
  const recipes: Desk['recipes'] = (name, wanted) => {
    const recipe = known[name]
    return recipe && (wanted === 0 || recipe.version === wanted) ? recipe : null
  }
  const people = await peopleOf(database.connection, given?.keysDir)
  const webhooks = { secretOf: (id: string) => `secret of ${id}`, allowedHosts: null, isPublic: isPublicHost }
  const poke = (): void => workers.forEach((worker) => worker.poke())
  const desk: Desk = { db, people, recipes, pipelines: known, webhooks, mail: null, poke }
  const actor = await signIn(desk, { surface: 'terminal', account: given?.account ?? 'tester', label: 'tester' })
  onTestFinished(async () => {
    for (const worker of workers) await worker.stop()
    const broken = Object.entries(await checkInvariants(db)).filter(([, violations]) => violations.length > 0)
    await db.close()
    await database.drop()
    await forgetKeys(database.connection.database)
    await rm(dir, { recursive: true, force: true })
    expect(broken, 'invariants').toEqual([])
  })
  return {
    database,
    db,
    desk,
    actor,
    dir,
    ask: (command, as = actor, deliveryId = uuidv7()) => execute(desk, as, command, deliveryId),
    work: async (settings = {}) => {
      const worker = new Worker({
        db,
        people,
        recipes,
        settings: { ...testSettings, ...settings },
        log: () => undefined,
        isolate: () => Promise.resolve(),
      })
      await worker.begin()
      workers.push(worker)
      return worker
    },
  }
}

function policyOf(text: string | undefined): ServerPolicy | null {
  if (text === undefined) return null
  const parsed = parseCeiling(text, 'policy.yml')
  if (!parsed.ok) throw new Error(sayFindings(parsed.findings).join('\n'))
  return { path: 'policy.yml', text, ceiling: parsed.ceiling }
}

/** The value of an answer, or the test ends with the refusal. */
export function agreed(result: Result<Reply>): Reply {
  expect(result).toMatchObject({ ok: true })
  if (!result.ok) throw new Error(result.refusal.message)
  return result.value
}

/** The refusal of an answer, or the test ends with what was done instead. */
export function denied(result: Result<Reply>): Refusal {
  expect(result).toMatchObject({ ok: false })
  if (result.ok) throw new Error(`not refused: ${result.value.kind}`)
  return result.refusal
}

/** The card of a run once `isThere` holds of it. Fails after ten seconds with how the run stood. */
export async function cardWhen(
  house: TestHouse,
  handle: string,
  isThere: (card: RunCard) => boolean,
): Promise<RunCard> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const reply = agreed(await house.ask({ kind: 'status', run: handle, page: 1 }))
    if (reply.kind === 'card' && isThere(reply.card)) return reply.card
    if (performance.now() > deadline) throw new Error(`the run never got there: ${JSON.stringify(reply)}`)
    await delay(20)
  }
}

export const isAtGate = (card: RunCard): boolean => card.state === 'waiting' && card.waitingFor === 'gate'
export const isAtEnd = (card: RunCard): boolean => isOver(card.state)

/** Starts a factory run and answers with its handle. */
export async function startFactory(
  house: TestHouse,
  target: string,
  options: { readonly branch?: string; readonly dryRun?: boolean } = {},
): Promise<string> {
  const reply = agreed(
    await house.ask({
      kind: 'run',
      target,
      branch: options.branch ?? null,
      pipeline: 'factory',
      dryRun: options.dryRun ?? false,
      confirm: false,
    }),
  )
  if (reply.kind !== 'started') throw new Error(reply.kind)
  return reply.card.handle
}

/** A repository with one commit of the given files on `main`. */
export async function makeRepository(
  house: TestHouse,
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const folder = join(house.dir, name)
  await mkdir(folder, { recursive: true })
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), content)
  }
  await git(folder, 'init', '--quiet', '--initial-branch=main')
  await git(folder, 'add', '--all')
  await git(
    folder,
    '-c',
    'user.name=T',
    '-c',
    'user.email=t@localhost',
    'commit',
    '--quiet',
    '--allow-empty',
    '--message',
    'first',
  )
  return folder
}

/** What git prints; fails the test when git does. */
export async function git(folder: string, ...args: readonly string[]): Promise<string> {
  const env = { PATH: path, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
  const done = await runProcess({
    command: 'git',
    args: [...args],
    cwd: folder,
    env,
    timeoutMs: 20_000,
    maxOutputBytes: 1_000_000,
  })
  expect(done.exitCode, done.stderr).toBe(0)
  return done.stdout.toString().trim()
}
