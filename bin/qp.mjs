#!/usr/bin/env node
// The launcher: plain JavaScript without dependencies, because it runs before anything else can be loaded. It is the one
// file outside adapters/process that starts a program: the right Node, when it was itself started with an older one.
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const self = realpathSync(fileURLToPath(import.meta.url))
const root = dirname(dirname(self))

if (isNewEnough(process.versions.node)) process.exitCode = await runHere()
else runWith(findNode())

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 18)
}

/** A checkout runs its sources as they are; the published package has them compiled. */
async function runHere() {
  silenceTypeStripping()
  leaveAtOnce()
  const source = join(root, 'main.ts')
  const program = existsSync(source) ? source : join(root, 'dist', 'main.js')
  try {
    const { main } = await import(pathToFileURL(program).href)
    return await main(process.argv.slice(2))
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    process.stderr.write(`QuantaPilot is not installed completely: run npm ci in ${root}.\n${error.message}\n`)
    return 1
  }
}

/**
 * Until the program listens itself nothing is under way: told to leave, this does so with the program's own codes. It stays on,
 * because a signal that came just before a last listener goes would be lost.
 */
function leaveAtOnce() {
  const leave = (signal) => {
    if (process.listenerCount(signal) > 1) return
    process.exit(signal === 'SIGTERM' && process.argv[2] === 'start' ? 0 : 130)
  }
  process.on('SIGINT', leave).on('SIGTERM', leave)
}

/** Node 22 calls the running of TypeScript experimental, once per process; no one who runs QuantaPilot can act on that. */
function silenceTypeStripping() {
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith('Type Stripping')) emitWarning.call(process, warning, ...rest)
  }
}

/** The Node that npm installed with us: below this package in a checkout, beside it when it is a dependency. */
function findNode() {
  const platform = `${process.platform}-${process.arch}`
  for (const folder of [join(root, 'node_modules'), dirname(root)]) {
    for (const name of [`node-${platform}`, `node-bin-${platform}`]) {
      const node = join(folder, name, 'bin', 'node')
      if (existsSync(node)) return node
    }
  }
  return null
}

function runWith(node) {
  if (node === null) {
    process.stderr.write(
      `QuantaPilot needs Node 22.18 or newer, and this is ${process.versions.node}: run npm ci without --omit=optional, ` +
        'which brings one along, or install it from https://nodejs.org.\n',
    )
    process.exitCode = 1
    return
  }
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // A terminal sends its Ctrl-C to both of us; a second one would tell the child not to wait.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.on('error', (error) => {
    process.stderr.write(`${node} cannot be started: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
}
