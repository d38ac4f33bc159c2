import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { makeFolder } from './adapters/process/make-folder.ts'
import { grammar, kinds } from './bot/grammar.ts'
import { isUnsaid, parseTyped, lacksWords } from './bot/parse-command.ts'
import { Relay } from './bot/relay.ts'
import type { Ask } from './bot/surface.ts'
import { exitCodes, exitCodeWords, misused, refuse, runCommand } from './bot/terminal/command-line.ts'
import { askWhy, question } from './bot/terminal/question.ts'
import { Screen, harmless } from './bot/terminal/screen.ts'
import { helpSection, sayCommand, sayCommands } from './bot/terminal/help.ts'
import type { Config } from './config.ts'
import { loadConfig, readProcessEnvironment, roles } from './config.ts'
import { execute } from './core/commands/execute.ts'
import { signIn } from './core/commands/sign-in.ts'
import { runAlone } from './core/engine/worker.ts'
import { nearest } from './core/model/nearest.ts'
import { accepted, Fault } from './core/model/problem.ts'
import { demo } from './main/demo.ts'
import { Helper, nobodyWorks } from './main/helper.ts'
import type { House, Opening, Program } from './main/house.ts'
import { engineSettings, openHouse, quantaPilot, version } from './main/house.ts'
import { logTo } from './main/log.ts'

/** Runs what was typed after `qp` and answers with the exit code. Errors are sentences on the screen. */
export async function main(argv: readonly string[], program: Program = quantaPilot): Promise<number> {
  const json = argv.includes('--json')
  const words = argv.filter((word) => word !== '--json')
  const lost = whatIsLost(process.stdout)
  const config = loadConfig(readProcessEnvironment())
  const screen = new Screen({
    out: process.stdout,
    input: process.stdin,
    colour: config.ok && (config.value.colour ?? process.stdout.isTTY),
  })
  if (!config.ok) return refuse({ screen, json }, config)
  try {
    const code = await dispatch({ screen, program, config: config.value, json }, words)
    return lost() ? exitCodes.unavailable : code
  } catch (error) {
    return explain(screen, error, json)
  }
}

/**
 * Tells whether output was lost. A reader that has seen enough (`| head`) is no loss and no reason to stop half way; a
 * file on a full disk is, and whoever reads it later must not take it for the whole.
 */
function whatIsLost(output: NodeJS.WriteStream): () => boolean {
  let isLost = false
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || isLost) return
    isLost = true
    process.stderr.write(
      `✗ The output cannot be written (${error.message}): the command was carried out all the same.\n`,
    )
  })
  return () => isLost
}

type Shell = {
  readonly screen: Screen
  readonly program: Program
  readonly config: Config
  readonly json: boolean
}

/** What goes on until somebody ends it, and talks all the while. */
const withoutJson: ReadonlySet<string> = new Set(['demo', 'start'])

/** Prints what was asked for, in one of the two ways. */
function show({ screen, json }: Shell, value: object, lines: readonly string[]): number {
  if (json) screen.output.write(`${JSON.stringify({ ok: true, ...value })}\n`)
  else screen.print(...lines)
  return exitCodes.done
}

async function dispatch(shell: Shell, words: readonly string[]): Promise<number> {
  const [first = 'help', ...rest] = words
  if (shell.json && withoutJson.has(first))
    return misused(shell, `${first} does not know --json.`, `See qp help ${first}.`)
  if (rest.includes('--help') || (rest[0] === '-h' && rest.length === 1)) return help(shell, first.replace(/^\//, ''))
  switch (first.replace(/^\//, '')) {
    case 'help':
    case '--help':
    case '-h':
      return help(shell, rest[0] ?? null)
    case 'version':
    case '--version':
      return show(shell, { kind: 'version', version }, [version])
    case 'lint':
      return (await import('./main/tools.ts')).lint(shell, rest)
    case 'start':
      return startAs(shell, rest)
    case 'cron':
      return (await import('./main/cron.ts')).cron(shell, rest, (work) =>
        withOpening(shell, (opening) => inHouse(opening, work)),
      )
    case 'demo':
      return alone(shell, words, ['--yes'], (opening) =>
        demo(shell.screen, opening, rest.length > 0 || !shell.screen.isInteractive),
      )
    case 'doctor':
      return alone(shell, words, ['--invariants'], async (opening) =>
        (await import('./main/tools.ts')).doctor(shell, opening, rest.length > 0 ? 'records' : 'all'),
      )
    case 'db':
      return database(shell, rest)
    case 'replay':
      return askAgain(shell, rest)
    case 'work-alone':
      return workAlone(shell, rest[0] ?? '')
    default:
      return oneCommand(shell, words)
  }
}

/** A command that takes nothing but the flags named, and says so rather than overlook a typing error. */
async function alone(
  shell: Shell,
  [name = '', ...rest]: readonly string[],
  flags: readonly string[],
  work: (opening: Opening) => Promise<number>,
): Promise<number> {
  const [wrong] = rest.filter((word) => !flags.includes(word))
  if (wrong === undefined) return withOpening(shell, work)
  const usage = ['qp', name, ...flags.map((flag) => `[${flag}]`)].join(' ')
  return misused(shell, `${name} does not know ${wrong}.`, `Usage: ${usage}`)
}

async function oneCommand(shell: Shell, words: readonly string[]): Promise<number> {
  const parsed = parseTyped(words.filter((word) => word !== '--watch'))
  if (!parsed.ok) {
    const [first = '', ...rest] = words
    const meant = meantHere(first)
    if (meant === null) return refuse(shell, parsed)
    return misused(shell, `There is no command ${first}.`, `Did you mean qp ${[meant, ...rest].join(' ')}?`)
  }
  const { value } = parsed
  const mayAsk = shell.screen.isInteractive && !shell.json
  if (isUnsaid(value) && !mayAsk) return refuse(shell, { ok: false, refusal: lacksWords(value) })
  return withOpening(shell, (opening) =>
    inHouse(opening, async (house) => {
      const ask = await askAs(house)
      const { screen, json } = shell
      const isAlone = await nobodyWorks(house)
      const helper = new Helper(house)
      const watch = words.includes('--watch')
      const work = (): Promise<void> => helper.begin()
      const { signal } = opening
      try {
        const whole = isUnsaid(value)
          ? await askWhy(ask, value, (prompt) => question({ screen, signal }, prompt))
          : accepted(value)
        if (!whole.ok) return refuse(shell, whole)
        return await runCommand({ screen, ask, command: whole.value, json, watch, signal, work })
      } finally {
        helper.end()
        // What happened was shown right here; a session started later need not hear of it again.
        if (isAlone || helper.works)
          await new Relay({ db: house.db, listeners: [], onFault: () => undefined, onCards: () => undefined }).drain()
      }
    }),
  )
}

/** The command meant, where it is one that is typed at a shell only and was written almost right; null otherwise. */
function meantHere(first: string): string | null {
  const meant = nearest(first, [...kinds, ...ofProgram.map(({ usage }) => usage.split(' ')[0] ?? '')])
  return meant === null || kinds.some((kind) => kind === meant) ? null : meant
}

/** `qp start [--role <role>]`; the role of the environment where none is named. */
async function startAs(shell: Shell, [flag, named, ...rest]: readonly string[]): Promise<number> {
  const role = flag === undefined ? shell.config.role : roles.find((known) => known === named)
  if (role === undefined || (flag !== undefined && flag !== '--role') || rest.length > 0) {
    const wrong = flag === '--role' ? (rest[0] ?? named ?? 'a role that is not named') : (flag ?? '')
    return misused(shell, `start does not know ${wrong}.`, `Usage: qp start [--role ${roles.join('|')}]`)
  }
  const { screen } = shell
  const work = async (opening: Opening): Promise<number> => {
    // The networks are loaded where they are needed: every other command answers in half the time.
    const { start } = await import('./main/start.ts')
    return inHouse(opening, (house) => start({ screen, house, role, askAs, signal: opening.signal }))
  }
  // Told to stop before it was up, it has done what it was told, as later.
  return withOpening(shell, work, exitCodes.done)
}

async function database(shell: Shell, [verb, ...rest]: readonly string[]): Promise<number> {
  if ((verb !== 'up' && verb !== 'seed') || rest.length > 0) {
    const wrong = verb === 'up' || verb === 'seed' ? rest[0] : verb
    return misused(
      shell,
      wrong === undefined ? 'db needs more.' : `db does not know ${wrong}.`,
      'Usage: qp db up | qp db seed',
    )
  }
  return withOpening(shell, (opening) =>
    inHouse(opening, async (house) => {
      const about = { kind: 'database', database: house.databaseKind, schema: 'up to date' }
      const lines = [`✓ database  ${house.databaseKind}, schema up to date`]
      if (verb === 'up') return show(shell, about, lines)
      const { label, roles: held } = await signIn(house.desk, account())
      return show(shell, { ...about, label, roles: held }, [...lines, `✓ you are ${label}: ${held.join(', ')}`])
    }),
  )
}

/** `qp replay <run> [call]`; the run's latest call where none is named. */
async function askAgain(shell: Shell, [run, call = '', ...more]: readonly string[]): Promise<number> {
  if (run === undefined || more.length > 0 || !/^[0-9a-f-]{0,36}$/i.test(call))
    return misused(shell, 'replay needs a run, and the call as calls shows it.', 'Usage: qp replay <run> [call]')
  const { replay } = await import('./main/replay.ts')
  return withOpening(shell, (opening) =>
    inHouse(opening, async (house) => {
      const actor = await signIn(house.desk, account())
      return replay({ ...shell, house, actor, signal: opening.signal }, run, call)
    }),
  )
}

/** The process for a run that must run alone: this run, nothing else, then the end. */
async function workAlone(shell: Shell, runId: string): Promise<number> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(runId)) {
    return misused(shell, 'A worker calls work-alone by itself.', 'See qp help.')
  }
  return withOpening(shell, (opening) =>
    inHouse(opening, async ({ db, desk, recipes, log, config }) => {
      await runAlone({ db, people: desk.people, recipes, settings: engineSettings(config), log }, runId, opening.signal)
      return exitCodes.done
    }),
  )
}

async function inHouse(opening: Opening, work: (house: House) => Promise<number>): Promise<number> {
  const house = await openHouse(opening)
  try {
    return await work(house)
  } finally {
    await house.close()
  }
}

/** Ctrl-C and SIGTERM end the work in order, with `whenStopped` before there was any; a second one does not wait. */
async function withOpening(
  { screen, program, config, json }: Shell,
  work: (opening: Opening) => Promise<number>,
  whenStopped: number = exitCodes.stopped,
): Promise<number> {
  const stopping = new AbortController()
  const stop = (): void => {
    if (stopping.signal.aborted) process.exit(exitCodes.internal)
    stopping.abort()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    const stateDir = await makeStateDir(config)
    return await work({ program, config, stateDir, signal: stopping.signal, log: logTo(config) })
  } catch (error) {
    if (!stopping.signal.aborted || !isAbort(error)) throw error
    const message = 'Stopped before anything was begun.'
    if (json) screen.output.write(`${JSON.stringify({ ok: false, code: 'STOPPED', message })}\n`)
    else screen.print(message)
    return whenStopped
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

async function makeStateDir(config: Config): Promise<string> {
  const stateDir = resolve(config.stateDir)
  try {
    await makeFolder(stateDir)
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `The state folder ${stateDir} ${isFile ? 'is a file' : `cannot be made (${sayError(error)})`}: set QP_STATE_DIR to a folder that this user may write.`,
      retryable: false,
      cause: error,
    })
  }
  return stateDir
}

async function askAs(house: House): Promise<Ask> {
  const actor = await signIn(house.desk, account())
  return (command, deliveryId) => execute(house.desk, actor, command, deliveryId)
}

/** The person at this terminal, as the operating system knows them. */
function account() {
  const { username, uid } = userInfo()
  return { surface: 'terminal', account: `${username}:${uid}`, label: username }
}

const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const ofProgram = [
  { usage: 'status <run> --watch', says: 'show a run until it is over or needs somebody' },
  { usage: 'start [--role <role>]', says: `work and take commands here, or be one part: ${roles.join(', ')}` },
  { usage: 'cron [--once <schedule>]', says: 'when each schedule ran last, or run one now' },
  { usage: 'demo [--yes]', says: 'the whole job on a bundled example' },
  { usage: 'doctor [--invariants]', says: 'check everything this needs, or only that what is kept holds together' },
  { usage: 'replay <run> [call]', says: 'ask a model once more what a run asked it, and compare; for admins' },
  { usage: 'lint <folder> [--against README.md]', says: 'judge a documentation suite' },
  { usage: 'db up|seed', says: 'bring the schema up to date; seed also makes you its first admin' },
]

function help(shell: Shell, topic: string | null): number {
  const all = { commands: [...Object.values(grammar), ...ofProgram], exitCodes: exitCodeWords }
  if (topic === null) return show(shell, { kind: 'help', ...all }, sayAll())
  const one = [...(sayCommand(topic, 'qp ') ?? []), ...ofProgramOnly(topic)]
  if (one.length === 0) return misused(shell, `There is no command ${topic}.`, 'See qp help.')
  return show(shell, { kind: 'help', commands: all.commands.filter(({ usage }) => usage.split(' ')[0] === topic) }, one)
}

function sayAll(): readonly string[] {
  const codes = exitCodeWords.map(({ code, says }) => `  ${String(code).padEnd(4)} ${says}`)
  const sections = [...sayCommands(''), ...helpSection('This program', ofProgram)]
  return ['Usage: qp <command> [--json]', '', ...sections, 'Exit codes', ...codes]
}

const ofProgramOnly = (topic: string): readonly string[] =>
  ofProgram
    .filter(({ usage }) => usage.split(' ')[0] === topic)
    .flatMap(({ usage, says }) => [`qp ${usage}`, `  ${says}`])

function explain(screen: Screen, error: unknown, json: boolean): number {
  const isKnown = error instanceof Fault
  const message = sayError(error)
  if (json) screen.output.write(`${JSON.stringify({ ok: false, code: isKnown ? error.code : 'INTERNAL', message })}\n`)
  else screen.print(`✗ ${harmless(message)}`)
  if (!isKnown && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  return isKnown ? exitCodes.unavailable : exitCodes.internal
}
