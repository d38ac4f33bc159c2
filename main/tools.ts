import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { type Held, heldHere } from '../adapters/bubblewrap/group.ts'
import { proveAgainst, sharedLines } from '../adapters/builtin-author/against.ts'
import { readTexts } from '../adapters/host/files.ts'
import { hostProbes } from '../adapters/host/probes.ts'
import type { GitHub } from '../adapters/github/github.ts'
import { createRateGate } from '../adapters/github/rate-gate.ts'
import type { Invocation } from '../bot/terminal/command-line.ts'
import { exitCodes, misused } from '../bot/terminal/command-line.ts'
import { harmless } from '../bot/terminal/screen.ts'
import type { Config } from '../config.ts'
import type { Check, Health, Probe } from '../core/commands/doctor.ts'
import { databaseProbes, examine, recordProbes } from '../core/commands/doctor.ts'
import { slackTokens } from '../core/store/slack-token.ts'
import { formatFindings, lintSuite } from '../pipelines/factory/lint/lint.ts'
import { checkAgent, checkModels } from './checks.ts'
import type { House, Opening } from './house.ts'
import { gitHubOf, openHouse, version } from './house.ts'
import { sandboxOf } from './workshop.ts'

/** `qp doctor`: everything that must be right, or what is on record alone, as a table or as the health JSON. */
export async function doctor(
  { screen, json }: Pick<Invocation, 'screen' | 'json'>,
  opening: Opening,
  what: 'all' | 'records',
): Promise<number> {
  const house = await openHouse(opening).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  )
  const probes = what === 'all' ? await allProbes(opening, house) : recordsOf(house)
  const health = await examine(version, probes)
  if (!(house instanceof Error)) await house.close()
  if (json) screen.output.write(`${JSON.stringify(health)}\n`)
  else screen.print(...sayHealth(health).map(harmless))
  return health.status === 'fail' ? exitCodes.notDone : exitCodes.done
}

type Probes = Readonly<Record<string, Probe>>

const recordsOf = (house: House | Error): Probes =>
  house instanceof Error ? { database: () => Promise.reject(house) } : recordProbes(house.db, house.anchors)

async function allProbes(opening: Opening, house: House | Error): Promise<Probes> {
  const { config, stateDir } = opening
  const host = hostProbes({ stateDir: config.databaseUrl === null ? stateDir : process.cwd(), path: config.path })
  const rest =
    house instanceof Error
      ? {}
      : {
          ...databaseProbes(house.db, () => Date.now()),
          migrations: () => Promise.resolve({ status: 'pass' as const, message: 'up to date' }),
        }
  const configuration = () => Promise.resolve({ status: 'pass' as const, message: `state in ${stateDir}` })
  const github = await gitHubOf(config, () => createRateGate())
  const rotation = config.slack?.rotation
  const vendors = {
    ...(github && { github: () => askGitHub(github) }),
    ...(rotation &&
      !(house instanceof Error) && {
        slack: async () => {
          const { checkRotation } = await import('../bot/slack/rotation.ts')
          return checkRotation(await slackTokens(house.desk, rotation).read())
        },
      }),
  }
  const policy = () => Promise.resolve(checkPolicy(config.serverPolicy))
  return {
    ...host,
    configuration,
    policy,
    models: () => checkModels(config),
    agent: () => checkAgent(config),
    sandbox: () => checkSandbox(opening),
    ...rest,
    ...recordsOf(house),
    ...vendors,
  }
}

/** Which policy of the server's own holds; one that is wrong has kept the program from starting. */
function checkPolicy(own: Config['serverPolicy']): Check {
  if (own === null) return { status: 'pass', message: 'projects decide for themselves: QP_POLICY_FILE is not set' }
  const sha256 = createHash('sha256').update(own.text).digest('hex')
  return { status: 'pass', message: `${own.path} limits every project (sha ${sha256.slice(0, 12)})` }
}

/** Whether what an agent writes can run here; without an agent nothing needs it. */
async function checkSandbox({ config, stateDir }: Opening): Promise<Check> {
  const missing = await sandboxOf({ config, stateDir }).missing()
  if (missing === null) return sayHeld(await heldHere(), process.getuid?.() === 0)
  if (config.agent === null) return { status: 'pass', message: 'not needed: no agent is configured (docs/agents.md)' }
  return { status: 'fail', message: missing }
}

/** Who sees to it that a sandbox takes no more memory and processes than it may. */
export function sayHeld(held: ReadonlySet<Held>, isRoot: boolean): Check {
  const works = 'bubblewrap works;'
  if (held.size === 2) return { status: 'pass', message: `${works} a control group holds its memory and processes` }
  const [some] = held
  if (some !== undefined)
    return { status: 'pass', message: `${works} a control group holds its ${some} and a watch the rest` }
  const noGroup = 'no control group can be made here (docs/sandbox.md)'
  if (!isRoot)
    return {
      status: 'pass',
      message: `${works} a watch holds its memory, the account’s limit its processes: ${noGroup}`,
    }
  const instead = 'Start it as an account of its own, which has a limit of processes.'
  return {
    status: 'warn',
    message: `${works} nothing but a watch holds root’s memory and processes: ${noGroup}. ${instead}`,
  }
}

/** Whether GitHub knows us, and as whom. */
async function askGitHub(github: GitHub): Promise<Check> {
  const who = await github.whoami(AbortSignal.timeout(20_000))
  return { status: 'pass', message: `acts as ${who}` }
}

const glyphs = { pass: '✓', warn: '!', fail: '✗' } as const

function sayHealth({ checks, status }: Health): string[] {
  const width = Math.max(...Object.keys(checks).map((name) => name.length))
  const lines = Object.entries(checks).map(
    ([name, check]) => `${glyphs[check.status]} ${name.padEnd(width)}  ${check.message}`,
  )
  return [
    ...lines,
    status === 'pass'
      ? 'All well.'
      : status === 'warn'
        ? 'Works; see the lines with !.'
        : 'Not well: see the lines with ✗.',
  ]
}

/** `qp lint <dir> [--against README.md]`: judges a documentation suite without a database. */
export async function lint(shell: Pick<Invocation, 'screen' | 'json'>, words: readonly string[]): Promise<number> {
  const { screen, json } = shell
  const [folder, flag, readmePath, ...more] = words
  const isComplete = flag === undefined || (flag === '--against' && readmePath !== undefined)
  if (folder === undefined || !isComplete || more.length > 0) {
    const usage = 'Usage: qp lint <folder with the documents> [--against README.md]'
    return misused(shell, 'lint needs a folder, and nothing more than a README beside it.', usage)
  }
  const texts = await readTexts(resolve(folder), ['.md']).catch(cannotRead)
  if (texts instanceof Error) return misused(shell, ...sayUnread(folder, texts))
  const files = texts.map(({ path, text }) => ({ path: asSuitePath(folder, path), text }))
  const readme = readmePath === undefined ? null : await readFile(readmePath).catch(cannotRead)
  if (readme instanceof Error) return misused(shell, ...sayUnread(readmePath, readme))
  const findings = [
    ...lintSuite(files, { expectWholeSuite: true, otherPaths: new Set(['README.md']) }),
    ...sharedLines(files),
    ...(readme ? proveAgainst(readme, files) : []),
  ]
  if (json)
    screen.output.write(
      `${JSON.stringify({ ok: !findings.some((finding) => finding.severity === 'error'), findings })}\n`,
    )
  else screen.print(...formatFindings(findings).map(harmless))
  return findings.some((finding) => finding.severity === 'error') ? exitCodes.notDone : exitCodes.done
}

/** What the system says of a file or folder; anything else is thrown on. */
function cannotRead(error: unknown): Error {
  if (error instanceof Error && 'code' in error) return error
  throw error
}

/** A sentence and the next step. */
function sayUnread(path: string | undefined, error: Error): readonly [string, string] {
  const code = 'code' in error ? error.code : ''
  const next = 'Usage: qp lint <folder with the documents> [--against README.md]'
  if (code === 'ENOENT') return [`There is no ${path}: check the path.`, next]
  if (code === 'ENOTDIR') return [`${path} is a file: give the folder that holds the documents.`, next]
  return [`${path} cannot be read: ${error.message}.`, next]
}

/** The suite's documents are named from the repository's root, whichever folder was given. */
const asSuitePath = (folder: string, path: string): string =>
  basename(resolve(folder)) === 'docs' ? `docs/${path}` : path
