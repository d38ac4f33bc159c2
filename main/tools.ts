import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { proveAgainst, sharedLines } from '../adapters/builtin-author/against.ts'
import { readTexts } from '../adapters/host/files.ts'
import { hostProbes } from '../adapters/host/probes.ts'
import { exitCodes } from '../bot/terminal/command-line.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import { harmless } from '../bot/terminal/screen.ts'
import type { Health } from '../core/commands/doctor.ts'
import { databaseProbes, examine } from '../core/commands/doctor.ts'
import { formatFindings, lintSuite } from '../pipelines/factory/lint/lint.ts'
import type { Opening } from './house.ts'
import { openHouse, version } from './house.ts'

/** `qp doctor`: everything that must be right, as a table or as the health JSON. */
export async function doctor(screen: Screen, opening: Opening, json: boolean): Promise<number> {
  const { config, stateDir } = opening
  const house = await openHouse(opening).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  )
  const host = hostProbes({ stateDir: config.databaseUrl === null ? stateDir : process.cwd(), path: config.path })
  const rest =
    house instanceof Error
      ? { database: () => Promise.reject(house) }
      : {
          ...databaseProbes(house.db, () => Date.now()),
          migrations: () => Promise.resolve({ status: 'pass' as const, message: 'up to date' }),
        }
  const configuration = () => Promise.resolve({ status: 'pass' as const, message: `state in ${stateDir}` })
  const health = await examine(version, { ...host, configuration, ...rest })
  if (!(house instanceof Error)) await house.close()
  if (json) screen.output.write(`${JSON.stringify(health)}\n`)
  else screen.print(...sayHealth(health).map(harmless))
  return health.status === 'fail' ? exitCodes.notDone : exitCodes.done
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
export async function lint(screen: Screen, words: readonly string[], json: boolean): Promise<number> {
  const [folder, flag, readmePath] = words
  if (folder === undefined || (flag !== undefined && (flag !== '--against' || readmePath === undefined))) {
    screen.print('✗ Usage: qp lint <folder with the documents> [--against README.md]')
    return exitCodes.usage
  }
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    screen.print(`✗ There is no folder ${harmless(folder)}.`)
    return exitCodes.usage
  }
  const files = (await readTexts(resolve(folder), ['.md'])).map(({ path, text }) => ({
    path: asSuitePath(folder, path),
    text,
  }))
  const readme = readmePath === undefined ? null : await readFile(readmePath).catch(() => null)
  if (readmePath !== undefined && readme === null) {
    screen.print(`✗ There is no file ${harmless(readmePath)}.`)
    return exitCodes.usage
  }
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

/** The suite's documents are named from the repository's root, whichever folder was given. */
const asSuitePath = (folder: string, path: string): string =>
  basename(resolve(folder)) === 'docs' ? `docs/${path}` : path
