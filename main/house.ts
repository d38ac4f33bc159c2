import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isPublicHost } from '../adapters/network/host.ts'
import { findProcess } from '../adapters/process/process-table.ts'
import type { EmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { startEmbeddedPostgres } from '../adapters/embedded-postgres/start.ts'
import { createGitSourceControl } from '../adapters/git/source-control.ts'
import type { GitSourceControlOptions } from '../adapters/git/tools.ts'
import { createTrunk } from '../adapters/git/trunk.ts'
import type { GitHubSettings } from '../adapters/github/environment.ts'
import type { GitHub } from '../adapters/github/github.ts'
import { openAnchorFile } from '../adapters/key-files/anchor-file.ts'
import { openKeyFiles } from '../adapters/key-files/key-files.ts'
import type { RunningProcess } from '../adapters/process/run.ts'
import { startProcess } from '../adapters/process/run.ts'
import type { Config } from '../config.ts'
import type { Desk } from '../core/commands/desk.ts'
import type { EngineLog, EngineSettings } from '../core/engine/settings.ts'
import { buryGone } from '../core/engine/sweep.ts'
import { Worker } from '../core/engine/worker.ts'
import { productionBackoff } from '../core/model/retry.ts'
import type { AnchorStore } from '../core/keys.ts'
import type { CodeHost, LabelRequests, SentDeliveries } from '../core/ports.ts'
import type { Pipeline, Recipes } from '../core/pipeline.ts'
import type { RateGate } from '../core/ports.ts'
import { newest } from '../core/store/draft-run.ts'
import { assertRole } from '../core/store/assert-role.ts'
import { assertServer } from '../core/store/assert-server.ts'
import type { Connection } from '../core/store/database.ts'
import { Database } from '../core/store/database.ts'
import { openPeople } from '../core/store/keyring.ts'
import { finishErasures } from '../core/store/forget.ts'
import { migrate } from '../core/store/migrate.ts'
import { openRateGate } from '../core/store/rate-gate.ts'
import { chooseRole } from '../core/store/role.ts'
import { pipelines } from '../pipelines/index.ts'
import { endAll } from './end-all.ts'
import { authorOf, modelsOf } from './models.ts'
import { workshopOf } from './workshop.ts'
import { redactOf } from './redact.ts'
import { linkToken, readSecret, webhookSecret } from './secret.ts'

/** The folder of the program itself: of the checkout, or of the installed package. */
export const programDir = fileURLToPath(new URL(import.meta.url.includes('/dist/') ? '../../' : '../', import.meta.url))

export const version: string = (
  JSON.parse(readFileSync(join(programDir, 'package.json'), 'utf8')) as { version: string }
).version

/** Everything a process works with once its database is open. Close it last. */
export type House = {
  readonly config: Config
  readonly stateDir: string
  readonly connection: Connection
  readonly db: Database
  /** What `db` acts as; null: the login. */
  readonly role: string | null
  readonly recipes: Recipes
  readonly desk: Desk
  /** How often this process denied somebody what they tried, by surface. */
  readonly denials: ReadonlyMap<string, number>
  readonly log: EngineLog
  /** Where the audit stood, kept beside the keys. */
  readonly anchors: AnchorStore
  /** What GitHub remembers of the webhooks it sent here; null where it sends none, or may not be asked. */
  readonly deliveries: SentDeliveries | null
  /** Where people may ask for something by a label; null where no code host is configured. */
  readonly labelled: { readonly codeHost: CodeHost; readonly labels: LabelRequests } | null
  /** The token of a mail's link, from the key of the card it is about. */
  readonly linkTokenOf: (cardKey: string) => string
  /** What kind of database it is, in words. */
  readonly databaseKind: string
  /** Begins to work on runs in this process; asked twice, it is the same worker. */
  work(): Promise<void>
  close(): Promise<void>
}

/** What a program under these commands is made of. */
export type Program = {
  /** The file that starts it again, for a run that must run alone. */
  readonly launcher: string
  readonly pipelines: typeof pipelines
}

export const quantaPilot: Program = { launcher: join(programDir, 'bin', 'qp.mjs'), pipelines }

export type Opening = {
  readonly program: Program
  readonly config: Config
  readonly stateDir: string
  readonly signal: AbortSignal
  readonly log: EngineLog
}

/**
 * Opens the database (starting the embedded one where none is configured), brings its schema up to date, and wires the rest.
 * Throws the signal's reason, with nothing left behind, when it is told to stop meanwhile.
 */
export async function openHouse(opening: Opening): Promise<House> {
  const { config, stateDir, signal, log } = opening
  const server =
    config.databaseUrl === null
      ? await startEmbeddedPostgres({ dir: join(stateDir, 'pg'), durable: true, signal })
      : null
  const connection: Connection = server?.connection ?? { url: config.databaseUrl ?? '' }
  const keeper = server === null ? null : keepUp(server, log)
  const stopServer = async (): Promise<void> => {
    clearInterval(keeper ?? undefined)
    await server?.stop()
  }
  try {
    await migrate({ connection, folder: join(programDir, 'migrations'), log })
    signal.throwIfAborted()
    const databaseKind = server ? 'embedded, durable' : 'DATABASE_URL'
    const house = await wire(opening, { connection, stopServer, databaseKind })
    if (signal.aborted) await house.close()
    signal.throwIfAborted()
    return house
  } catch (error) {
    await stopServer()
    throw error
  }
}

/** The embedded server has nobody else who would start it again after a full disk or a kill. */
function keepUp(server: EmbeddedPostgres, log: EngineLog): NodeJS.Timeout {
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    try {
      if (await server.revive()) log('warn', 'the embedded database had stopped and was started again', {})
    } catch (error) {
      log('error', 'the embedded database has stopped', { error })
    } finally {
      isLooking = false
    }
  }
  return setInterval(() => void look(), 2_000).unref()
}

/** The same database, state and keys as ours, also where we were told not to use those of the environment. */
function childEnvironment(config: Config, stateDir: string): Record<string, string> {
  const { childEnvironment: given, databaseUrl } = config
  const kept = Object.entries(given).filter(([name]) => databaseUrl !== null || !name.startsWith('DATABASE_URL'))
  return { ...Object.fromEntries(kept), QP_STATE_DIR: stateDir, QP_KEYS_DIR: keysDir(config, stateDir) }
}

const keysDir = (config: Config, stateDir: string): string => resolve(config.keysDir ?? join(stateDir, 'keys'))

type Server = {
  readonly connection: Connection
  readonly stopServer: () => Promise<void>
  readonly databaseKind: string
}

async function wire(
  { program, config, stateDir, log }: Opening,
  { connection, stopServer, databaseKind }: Server,
): Promise<House> {
  const onIdleError = (error: Error): void => log('warn', 'an idle database connection broke', { error: error.message })
  const role = await chooseRole(connection)
  const people = await openPeople(connection, openKeyFiles(keysDir(config, stateDir)))
  const secret = await readSecret(config.secret, { keysDir: keysDir(config, stateDir), stateDir })
  const db = new Database(connection, { name: 'quantapilot', poolSize: 10, role, onIdleError })
  await closedOnFault(db, async () => {
    await assertServer(db)
    await assertRole(db, role)
  })
  await finishErasures(db, people).catch((error: unknown) =>
    log('error', 'an erasure could not be finished', { error }),
  )
  if (databaseKind !== 'DATABASE_URL') await buryGone(db, hostname(), async (pid) => (await findProcess(pid)) !== null)
  const github = await gitHubOf(config, (key) => openRateGate(db, key))
  const known = program.pipelines(await portsOf({ config, stateDir, log }, db, github))
  const recipes = recipesOf(known)
  let worker: Promise<Worker> | null = null
  const loners = lonersOf({ program, config, stateDir, log })
  const begin = async (): Promise<Worker> => {
    const { isolate } = loners
    const made = new Worker({ db, people, recipes, settings: engineSettings(config), log, isolate })
    await made.begin()
    return made
  }
  const secretOf = (id: string): string => webhookSecret(secret, id)
  const webhooks = { secretOf, allowedHosts: config.webhookHosts, isPublic: isPublicHost }
  const denials = new Map<string, number>()
  const onDenial = (surface: string): void => void denials.set(surface, (denials.get(surface) ?? 0) + 1)
  const poke = (): void => void worker?.then((made) => made.poke())
  return {
    config,
    stateDir,
    connection,
    db,
    role,
    recipes,
    desk: { db, people, recipes, pipelines: known, webhooks, mail: mailOf(config), poke, onDenial },
    denials,
    log,
    anchors: openAnchorFile(keysDir(config, stateDir)),
    deliveries: config.github?.webhookSecrets.length ? (github?.deliveries ?? null) : null,
    labelled: github,
    linkTokenOf: (cardKey) => linkToken(secret, cardKey),
    databaseKind,
    work: async () => {
      worker ??= begin()
      await worker
    },
    close: () =>
      endAll([
        async () => (await worker)?.stop(),
        loners.end,
        async () => github?.close(),
        () => db.close(),
        stopServer,
      ]),
  }
}

/** What pipelines may ask of the world, as it is configured. */
async function portsOf(
  { config, stateDir, log }: Pick<Opening, 'config' | 'stateDir' | 'log'>,
  db: Database,
  github: GitHub | null,
): Promise<Parameters<Program['pipelines']>[0]> {
  const git = gitOptions(config, stateDir, github)
  const checks = github?.checks ?? null
  const models = await modelsOf(config, db)
  return {
    source: createGitSourceControl(git),
    author: await authorOf(models),
    models: config.models.map(({ name }) => name),
    trunk: createTrunk(git),
    codeHost: github?.codeHost ?? null,
    checks,
    labels: github?.labels ?? null,
    workshop: await workshopOf({ config, stateDir, git, checks, db, models, log }),
    serverPolicy: config.serverPolicy,
  }
}

/** The processes of runs that run alone. */
function lonersOf({ log, ...opening }: Pick<Opening, 'program' | 'config' | 'stateDir' | 'log'>) {
  const alive = new Set<RunningProcess>()
  return {
    isolate: async (runId: string): Promise<void> => {
      const child = await startLoner(opening, runId)
      alive.add(child)
      const { exitCode } = await child.exited
      alive.delete(child)
      if (exitCode !== 0) log('warn', 'the process of a lone run broke off', { run: runId, exitCode })
    },
    /** Each gives its run back before it ends, which takes as long as the steps under way may take. */
    end: () => Promise.all([...alive].map((child) => child.kill({ graceMs: graceMs + 5_000 }))),
  }
}

/** Does what may refuse to go on; a connection that stayed open would keep the process from ending. */
async function closedOnFault(db: Database, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    await db.close()
    throw error
  }
}

/** Mails a code at once, over a connection of its own: whoever asked for it waits for nothing else. */
function mailOf({ mail }: Config): Desk['mail'] {
  if (!mail) return null
  return {
    sendCode: async (address, code) => {
      const { MailBoard } = await import('../bot/mail/board.ts')
      const board = new MailBoard(mail)
      try {
        await board.sendCode(address, code)
      } finally {
        board.stop()
      }
    },
  }
}

/** GitHub as configured, loaded only then; null when it is not. Close it to give its tokens back. */
export async function gitHubOf({ github }: Config, gateOf: (key: string) => RateGate): Promise<GitHub | null> {
  if (!github) return null
  const { createGitHub } = await import('../adapters/github/github.ts')
  return createGitHub({ ...github, userAgent: `QuantaPilot/${version}`, gate: gateOf(limitKeyOf(github)) })
}

/** GitHub limits by host and by App or user. */
function limitKeyOf({ apiUrl, identity }: GitHubSettings): string {
  const who = identity.kind === 'app' ? identity.appId : identity.token
  return `github ${createHash('sha256')
    .update(JSON.stringify([apiUrl, identity.kind, who]))
    .digest('hex')
    .slice(0, 16)}`
}

/** How long a process that stops waits for the steps that finish rather than abort. */
const graceMs = 10_000

/** The engine under this configuration; production figures unless it says otherwise. */
export function engineSettings(config: Config): EngineSettings {
  return {
    leaseMs: config.leaseMs,
    beatMs: config.beatMs,
    reapMs: config.reapMs,
    pollMs: config.pollMs,
    concurrency: config.concurrency,
    actorCap: config.actorConcurrency,
    backoff: productionBackoff,
    deathsAloneAllowed: 3,
    graceMs,
    money: config.money,
    texts: { areKept: config.keepsModelTexts, redact: redactOf(config) },
  }
}

const recipesOf =
  (known: Readonly<Record<string, Pipeline>>): Recipes =>
  (name, wanted) => {
    const recipe = Object.hasOwn(known, name) ? known[name] : undefined
    return recipe && (wanted === newest || recipe.version === wanted) ? recipe : null
  }

function gitOptions(config: Config, stateDir: string, github: GitHub | null): GitSourceControlOptions {
  return {
    stateDir,
    allowedSchemes: config.allowFileUrls ? ['https', 'ssh', 'file'] : ['https', 'ssh'],
    allowFolders: true,
    allowedHosts: config.allowedHosts,
    env: gitEnvironment(config),
    gitTimeoutMs: 120_000,
    ...(config.gitCaFile === null ? {} : { caFile: config.gitCaFile }),
    ...(github ? { credentialFor: github.credentialFor } : {}),
  }
}

function gitEnvironment({ path, sshAuthSock }: Config): { PATH: string; HOME: string; SSH_AUTH_SOCK?: string } {
  const base = { PATH: path, HOME: homedir() }
  return sshAuthSock === null ? base : { ...base, SSH_AUTH_SOCK: sshAuthSock }
}

/** A run that was aboard dying workers gets a process of its own, so that it can only take itself down. */
function startLoner(
  { program, config, stateDir }: Pick<Opening, 'program' | 'config' | 'stateDir'>,
  runId: string,
): Promise<RunningProcess> {
  return startProcess({
    command: process.execPath,
    args: [...process.execArgv, program.launcher, 'work-alone', runId],
    cwd: process.cwd(),
    env: childEnvironment(config, stateDir),
    stderr: 'inherit',
  })
}
