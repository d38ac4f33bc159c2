import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { Fault } from '../../core/model/problem.ts'
import { spawnFault } from './spawn-fault.ts'

/** What one end of a child is tied to; a number is a file descriptor of ours. */
export type Stdio = 'ignore' | 'pipe' | 'inherit' | number

type Program = {
  /** A name looked up in `env.PATH`, or an absolute path. Never a shell line. */
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** All the child gets: nothing of our own environment is handed down. Default empty. */
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly gid?: number
  /** Said when there is no such program, for example `git is not installed: install git 2.32 or newer`. */
  readonly whenMissing?: string
}

export type StartRequest = Program & {
  /** Each defaults to `ignore`. */
  readonly stdin?: Stdio
  readonly stdout?: Stdio
  readonly stderr?: Stdio
  /** Descriptors of ours that the child gets as its 3, 4 and so on. */
  readonly inherit?: readonly number[]
  /** True gives the child its own session and process group: Ctrl-C does not reach it, and `kill` ends its whole tree. */
  readonly detached?: boolean
}

/** How a child ended; a signal counts as 128 and its number, as shells say it. */
export type Exit = { readonly exitCode: number }

/** A child under way. */
export type RunningProcess = {
  readonly pid: number
  /** Set where the request said `pipe`. */
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  /** Never rejects. */
  readonly exited: Promise<Exit>
  /** Sends a signal to the child, and to its group when detached. Nothing happens when it is gone. */
  signal(name: NodeJS.Signals): void
  /** Asks with `signal` (SIGTERM), then after `graceMs` (2 s) with SIGKILL; resolves when the child is gone, its group too when detached. May be repeated. */
  kill(how?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<Exit>
  /** Lets our own process end while the child lives on. */
  unref(): void
}

/** Starts a long-lived child and resolves once it runs. Throws a `Fault` when it cannot be started. */
export async function startProcess(request: StartRequest): Promise<RunningProcess> {
  const child = spawnChild(request)
  const exited = new Promise<Exit>((resolve) => child.once('exit', (code, signal) => resolve(exitOf(code, signal))))
  await started(child, request)
  const send = (name: NodeJS.Signals) => sendSignal(child, name, request.detached === true)
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    signal: send,
    kill: async ({ signal = 'SIGTERM', graceMs = 2_000 } = {}) => {
      const last = setTimeout(() => send('SIGKILL'), graceMs)
      send(signal)
      const exit = await exited.finally(() => clearTimeout(last))
      if (request.detached === true) send('SIGKILL')
      return exit
    },
    unref: () => child.unref(),
  }
}

export type RunRequest = Program & {
  readonly stdin?: Uint8Array
  readonly timeoutMs: number
  /** More than this on standard output ends the child and throws. Of standard error the last 64 kB are kept. */
  readonly maxOutputBytes: number
  readonly signal?: AbortSignal
}

export type RunResult = { readonly exitCode: number; readonly stdout: Buffer; readonly stderr: string }

/**
 * Runs a program to its end in its own process group and returns what it wrote, whatever its exit code. When it takes
 * too long, writes too much, or `signal` aborts, the whole group is ended, and then it throws: a `Fault`, or the
 * signal's reason. Nothing of the group is left when this settles.
 */
export async function runProcess(request: RunRequest): Promise<RunResult> {
  request.signal?.throwIfAborted()
  const stdin = request.stdin === undefined ? 'ignore' : 'pipe'
  const child = await startProcess({ ...request, stdin, stdout: 'pipe', stderr: 'pipe', detached: true })
  const stop = stopper(child)
  const stdout = collect(child.stdout, request.maxOutputBytes, () => stop(tooMuch(request)))
  const stderr = collectTail(child.stderr)
  feed(child.stdin, request.stdin)
  const release = watch(request, stop)
  const { exitCode } = await child.exited
  release()
  // What the child left behind in its group would otherwise outlive the step and hold our pipes open.
  child.signal('SIGKILL')
  await Promise.all([drained(child.stdout), drained(child.stderr)])
  stop.throwIfStopped()
  return { exitCode, stdout: stdout(), stderr: stderr() }
}

function spawnChild(request: StartRequest): ChildProcess {
  const { stdin = 'ignore', stdout = 'ignore', stderr = 'ignore', inherit = [], uid, gid } = request
  try {
    return spawn(request.command, [...request.args], {
      cwd: request.cwd,
      env: { ...request.env },
      stdio: [stdin, stdout, stderr, ...inherit],
      detached: request.detached === true,
      shell: false,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
  } catch (error) {
    throw spawnFault(error, request)
  }
}

async function started(child: ChildProcess, request: StartRequest): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  } catch (error) {
    throw spawnFault(error, request)
  }
  // After the start, `error` only repeats that a signal could not be sent, which `exited` tells better.
  child.on('error', () => undefined)
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): Exit {
  return { exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) }
}

function sendSignal(child: ChildProcess, name: NodeJS.Signals, group: boolean): void {
  if (child.pid === undefined) return
  if (!group) {
    child.kill(name)
    return
  }
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    // ESRCH: the group is empty. EPERM: macOS says so of a group that holds only the dead.
    if (error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')) return
    throw error
  }
}

type Stopper = { (reason: unknown): void; throwIfStopped(): void }

/** Ends the child once and remembers why: the first reason is the one thrown. */
function stopper(child: RunningProcess): Stopper {
  const reasons: unknown[] = []
  const stop = (reason: unknown) => {
    reasons.push(reason)
    if (reasons.length === 1) void child.kill()
  }
  const throwIfStopped = () => {
    if (reasons.length > 0) throw reasons[0]
  }
  return Object.assign(stop, { throwIfStopped })
}

function watch(request: RunRequest, stop: Stopper): () => void {
  const onAbort = () => stop(request.signal?.reason)
  const timer = setTimeout(() => stop(tookTooLong(request)), request.timeoutMs)
  request.signal?.addEventListener('abort', onAbort, { once: true })
  if (request.signal?.aborted === true) onAbort()
  return () => {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', onAbort)
  }
}

function collect(stream: Readable | null, maxBytes: number, onTooMuch: () => void): () => Buffer {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= maxBytes) chunks.push(chunk)
    else onTooMuch()
  })
  return () => Buffer.concat(chunks)
}

const tailBytes = 64 * 1024

function collectTail(stream: Readable | null): () => string {
  let tail = Buffer.alloc(0)
  stream?.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-tailBytes)
  })
  return () => tail.toString('utf8')
}

function feed(stream: Writable | null, bytes: Uint8Array | undefined): void {
  // A child that ends before it read everything (EPIPE) says why with its exit code.
  stream?.on('error', () => undefined)
  stream?.end(bytes)
}

/** Longest wait for the rest of the output once the child is gone: only what left its group could still hold the pipe. */
const drainMs = 1_000

async function drained(stream: Readable | null): Promise<void> {
  if (stream === null || stream.closed) return
  const timer = setTimeout(() => stream.destroy(), drainMs)
  await new Promise((resolve) => stream.once('close', resolve))
  clearTimeout(timer)
}

const tookTooLong = ({ command, timeoutMs }: RunRequest) =>
  new Fault({
    code: 'UPSTREAM_TIMEOUT',
    message: `${command} was stopped after ${timeoutMs / 1000} s without an end. Try again, or allow more time.`,
    retryable: true,
  })

const tooMuch = ({ command, maxOutputBytes }: RunRequest) =>
  new Fault({
    code: 'TOOL_FAILURE',
    message: `${command} was stopped: it wrote more than ${maxOutputBytes} bytes.`,
    retryable: false,
  })
