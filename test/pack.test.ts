import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runProcess } from '../adapters/process/run.ts'

const checkout = join(import.meta.dirname, '..')

/** npm as it is on this machine: under another Node than its own it would not find its settings. */
const ownPath = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))

const run = async (cwd: string, command: string, ...args: string[]) => {
  const { HOME = '', ...rest } = process.env
  const registry = Object.fromEntries(
    Object.entries(rest).filter((entry): entry is [string, string] => /^npm_config_/i.test(entry[0])),
  )
  // What is installed runs under the Node that runs the tests.
  const folders = command === 'npm' ? ownPath : [dirname(process.execPath), ...ownPath]
  const env = { ...registry, HOME, PATH: folders.join(delimiter) }
  const { exitCode, stdout, stderr } = await runProcess({
    command,
    args,
    cwd,
    env,
    timeoutMs: 120_000,
    maxOutputBytes: 10_000_000,
  })
  return { exitCode, output: stdout.toString('utf8'), errors: stderr }
}

test('the published package installs without scripts and answers npx qp help', { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quantapilot-pack-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  expect(await run(checkout, 'npm', 'run', 'build')).toMatchObject({ exitCode: 0 })
  const packed = await run(checkout, 'npm', 'pack', '--json', '--pack-destination', folder)
  const [tarball] = JSON.parse(packed.output) as [{ filename: string; files: { path: string }[] }]
  const paths = tarball.files.map((file) => file.path)
  expect(paths).toEqual(expect.arrayContaining(['bin/qp.mjs', 'dist/main.js', 'migrations/0001_init.sql']))
  expect(paths.filter((path) => /\.test\.|^test\/|\.ts$/.test(path))).toEqual([])

  await run(folder, 'npm', 'init', '-y')
  // Without the bundled Node and PostgreSQL, which are large and not asked for help.
  const flags = ['--ignore-scripts', '--prefer-offline', '--omit=optional']
  const installed = await run(folder, 'npm', 'i', `./${tarball.filename}`, ...flags)
  expect(installed, installed.errors).toMatchObject({ exitCode: 0 })
  const help = await run(folder, 'npx', 'qp', 'help')
  expect(help, help.errors).toMatchObject({ exitCode: 0, output: expect.stringContaining('Usage: qp <command>') })
  expect(help.errors).not.toContain('ExperimentalWarning')
})
