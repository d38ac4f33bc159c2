import { mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { grammar, parseCommand } from './bot/parse-command.ts'
import { Relay } from './bot/relay.ts'
import type { Ask } from './bot/surface.ts'
import { exitCodes, refuse, runCommand } from './bot/terminal/command-line.ts'
import { Screen, harmless } from './bot/terminal/screen.ts'
import { sayHelp, TerminalSession } from './bot/terminal/session.ts'
import type { Config } from './config.ts'
import { loadConfig, readProcessEnvironment } from './config.ts'
import { execute } from './core/commands/execute.ts'
import { signIn } from './core/commands/sign-in.ts'
import { runAlone } from './core/engine/worker.ts'
import type { EngineLog } from './core/engine/settings.ts'
import { Fault } from './core/model/problem.ts'
import { countLiveWorkers } from './core/store/worker.ts'
import { demo } from './main/demo.ts'
import type { House, Opening, Program } from './main/house.ts'
import { engineSettings, openHouse, quantaPilot, version } from './main/house.ts'
import { doctor, lint } from './main/tools.ts'

/** Runs what was typed after `qp` and answers with the exit code. Errors are sentences on the screen. */
export async function main(argv: readonly string[], program: Program = quantaPilot): Promise<number> {
  const json = argv.includes('--json')
  const words = argv.filter((word) => word !== '--json')
  // A reader that has seen enough (`| head`) is no reason to stop half way.
  process.stdout.on('error', () => undefined)
  const config = loadConfig(readProcessEnvironment())
  const screen = new Screen({
    out: process.stdout,
    input: process.stdin,
    colour: config.ok && (config.value.colour ?? process.stdout.isTTY),
  })
  if (!config.ok) return refuse({ screen, json }, config)
  try {
    return await dispatch({ screen, program, config: config.value, json }, words)
  } catch (error) {
    return explain(screen, error, json)
  }
}

type Shell = {
  readonly screen: Screen
  readonly program: Program
  readonly config: Config
  readonly json: boolean
}

async function dispatch(shell: Shell, words: readonly string[]): Promise<number> {
  const [first = 'help', ...rest] = words
  switch (first.replace(/^\//, '')) {
    case 'help':
    case '--help':
    case '-h':
      return help(shell.screen, rest[0] ?? null)
    case 'version':
    case '--version':
      shell.screen.print(version)
      return exitCodes.done
    case 'lint':
      return lint(shell.screen, rest, shell.json)
    case 'start':
      return withOpening(shell, (opening) => start(shell, opening))
    case 'demo':
      return withOpening(shell, (opening) =>
        demo(shell.screen, opening, rest.includes('--yes') || !shell.screen.isInteractive),
      )
    case 'doctor':
      return withOpening(shell, (opening) => doctor(shell.screen, opening, shell.json))
    case 'db':
      return withOpening(shell, (opening) => database(shell.screen, opening, rest[0]))
    case 'work-alone':
      return withOpening(shell, (opening) => workAlone(opening, rest[0] ?? ''))
    default:
      return oneCommand(shell, words)
  }
}

async function oneCommand(shell: Shell, words: readonly string[]): Promise<number> {
  if (words.includes('--help')) return help(shell.screen, words[0] ?? null)
  const parsed = parseCommand(words.filter((word) => word !== '--watch'))
  if (!parsed.ok) return refuse(shell, parsed)
  return withOpening(shell, (opening) =>
    inHouse(opening, async (house) => {
      const ask = await askAs(house)
      const { screen, json } = shell
      const isAlone = await nobodyWorks(house)
      const code = await runCommand({
        screen,
        ask,
        command: parsed.value,
        json,
        watch: words.includes('--watch'),
        signal: opening.signal,
        work: () => (isAlone ? house.work() : Promise.resolve()),
      })
      // What happened was shown right here; a session started later need not hear of it again.
      if (isAlone) await new Relay(house.db, [], () => undefined).drain()
      return code
    }),
  )
}

/** True when no other process is alive to do the work: a command that sets a run going then does it itself. */
async function nobodyWorks(house: House): Promise<boolean> {
  const [count] = await house.db.run(countLiveWorkers, {})
  return count?.live === 0
}

async function start({ screen }: Shell, opening: Opening): Promise<number> {
  screen.print(`QuantaPilot ${version}`)
  return inHouse(opening, async (house) => {
    screen.print(`✓ database  ${house.databaseKind}`, '✓ author    built-in (no model key)')
    const ask = await askAs(house)
    await house.work()
    const session = new TerminalSession(screen, ask)
    const relay = new Relay(house.db, [session], (surface, error) =>
      house.log('warn', 'a message was not sent', { surface, error }),
    )
    relay.start(500)
    opening.signal.addEventListener('abort', () => void session.stop())
    if (screen.isInteractive) {
      screen.print('Type /help. Ctrl-C stops; runs survive.')
      await session.start()
    } else {
      screen.print('No terminal here: working until stopped.')
      await new Promise<void>((done) => opening.signal.addEventListener('abort', () => done()))
    }
    await relay.stop()
    return exitCodes.done
  })
}

async function database(screen: Screen, opening: Opening, verb: string | undefined): Promise<number> {
  if (verb !== 'up' && verb !== 'seed') {
    screen.print(
      '✗ Usage: qp db up | qp db seed',
      '  up brings the schema up to date; seed also makes you its first admin.',
    )
    return exitCodes.usage
  }
  return inHouse(opening, async (house) => {
    screen.print(`✓ database  ${house.databaseKind}, schema up to date`)
    if (verb === 'seed') {
      const actor = await signIn(house.db, account())
      screen.print(`✓ you are ${actor.label}: ${actor.roles.join(', ')}`)
    }
    return exitCodes.done
  })
}

/** The process for a run that must run alone: this run, nothing else, then the end. */
const workAlone = (opening: Opening, runId: string): Promise<number> =>
  inHouse(opening, async ({ db, recipes, log, config }) => {
    await runAlone({ db, recipes, settings: engineSettings(config), log }, runId, opening.signal)
    return exitCodes.done
  })

async function inHouse(opening: Opening, work: (house: House) => Promise<number>): Promise<number> {
  const house = await openHouse(opening)
  try {
    return await work(house)
  } finally {
    await house.close()
  }
}

/** Ctrl-C and SIGTERM end the work in order; a second one does not wait. */
async function withOpening(
  { program, config, screen }: Shell,
  work: (opening: Opening) => Promise<number>,
): Promise<number> {
  const stopping = new AbortController()
  const stop = (): void => {
    if (stopping.signal.aborted) process.exit(exitCodes.internal)
    stopping.abort()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const stateDir = resolve(config.stateDir)
  await mkdir(stateDir, { recursive: true })
  try {
    return await work({ program, config, stateDir, signal: stopping.signal, log: logTo(screen, config) })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

async function askAs(house: House): Promise<Ask> {
  const actor = await signIn(house.db, account())
  return (command, deliveryId) => execute(house.desk, actor, command, deliveryId)
}

/** The person at this terminal, as the operating system knows them. */
function account() {
  const { username, uid } = userInfo()
  return { surface: 'terminal', account: `${username}:${uid}`, label: username }
}

/** What the engine says of itself goes to stderr, one JSON line each, from warnings up unless asked for more. */
function logTo(_screen: Screen, { logLevel }: Config): EngineLog {
  const levels = ['info', 'warn', 'error'] as const
  return (level, message, fields) => {
    if (levels.indexOf(level) < levels.indexOf(logLevel)) return
    process.stderr.write(
      `${JSON.stringify({ level, message, ...fields }, (_, value: unknown) => (value instanceof Error ? value.message : value))}\n`,
    )
  }
}

function help(screen: Screen, topic: string | null): number {
  if (topic !== null && !Object.hasOwn(grammar, topic)) {
    screen.print(`✗ There is no command ${harmless(topic)}.`, '  See qp help.')
    return exitCodes.usage
  }
  const more = [
    'start             work and take commands here until stopped',
    'demo [--yes]      the whole job on a bundled example',
    'doctor            check everything this needs',
    'lint <folder> [--against README.md]   judge a documentation suite',
    'db up|seed        bring the schema up to date',
  ]
  const lines = sayHelp(topic)
    .map((line) => line.replace(/^\//, ''))
    .filter((line) => topic !== null || !/^(help|quit)\b/.test(line))
  screen.print(
    ...(topic === null
      ? [
          'Usage: qp <command> [--json]',
          '',
          ...lines,
          '',
          ...more,
          '',
          `Exit codes: ${Object.entries(exitCodes)
            .map(([name, code]) => `${code} ${name}`)
            .join(', ')}`,
        ]
      : lines),
  )
  return exitCodes.done
}

function explain(screen: Screen, error: unknown, json: boolean): number {
  const isKnown = error instanceof Fault
  const message = error instanceof Error ? error.message : String(error)
  if (json) screen.output.write(`${JSON.stringify({ ok: false, code: isKnown ? error.code : 'INTERNAL', message })}\n`)
  else screen.print(`✗ ${harmless(message)}`)
  if (!isKnown && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  return isKnown ? exitCodes.unavailable : exitCodes.internal
}
