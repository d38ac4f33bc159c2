import { throttling } from '@octokit/plugin-throttling'
import { Octokit } from '@octokit/rest'
import pRetry from 'p-retry'
import { Fault } from '../../core/model/problem.ts'
import type { RateGate } from '../../core/ports.ts'
import { type Asked, failureOf, faultOf, limitMs } from './fault.ts'

export type ClientOptions = {
  readonly apiUrl: string
  readonly userAgent: string
  readonly gate: RateGate
  /** Keeps the pace GitHub asks for (a second between writes, three between those that notify people); false for tests. */
  readonly isPaced: boolean
  /** Longest time a call may take, waiting for its turn included. */
  readonly timeoutMs: number
}

export type Call = { readonly token: string; readonly asked: Asked; readonly signal: AbortSignal }

/** GitHub's API on behalf of one call of ours: everything it throws is a `Fault`, or the signal's reason. */
export type Api = Octokit

/** Asks the gate when a request's turn has come: those before it in the queue may have heard of a limit meanwhile. */
const gatedBy =
  (gate: RateGate) =>
  ({ hook }: Pick<Octokit, 'hook'>): void =>
    hook.before('request', () => requireOpen(gate))

/** For one call of ours, which may make several requests. */
export function connect(options: ClientOptions, { token, asked, signal }: Call): Api {
  const never = (): boolean => false
  // The gate stands first, and so nearest to the request: behind the pace.
  const Client = Octokit.plugin(gatedBy(options.gate), throttling)
  const client = new Client({
    auth: token,
    baseUrl: options.apiUrl,
    userAgent: options.userAgent,
    // The plugin would sleep for a minute or an hour inside the call: limits are the engine's to wait for.
    throttle: options.isPaced ? { onRateLimit: never, onSecondaryRateLimit: never } : { enabled: false },
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    // A token must not follow a redirect.
    request: { redirect: 'manual' },
  })
  client.hook.wrap('request', async (request, given) => {
    const deadline = AbortSignal.timeout(options.timeoutMs)
    const stop = AbortSignal.any([signal, deadline])
    const attempt = async () => {
      const answer = await orStopped(
        Promise.resolve(request({ ...given, request: { ...given.request, signal: stop } })),
        stop,
      )
      if (answer.status >= 300)
        throw faultOf({ status: answer.status, headers: {}, words: '' }, asked, Date.now(), null)
      return answer
    }
    try {
      return await (given.method === 'GET' ? retried(attempt, stop) : attempt())
    } catch (error) {
      signal.throwIfAborted()
      throw deadline.aborted ? tookTooLong(error) : await translated(error, asked, options.gate)
    }
  })
  return client
}

const nothing = (): void => undefined

/** Only what changes nothing, and only what may pass within a second; the rest is the engine's to repeat. */
function retried<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return pRetry(attempt, {
    retries: 2,
    minTimeout: 100,
    maxTimeout: 500,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => {
      const failure = failureOf(error)
      return failure !== null && (failure.status === 0 || failure.status >= 500)
    },
  })
}

/**
 * The work's result, or the signal's reason as soon as it aborts. A request that waits for its turn does not listen to
 * the signal; when its turn comes it does, and is not sent.
 */
export async function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = nothing
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function requireOpen(gate: RateGate): Promise<void> {
  const waitMs = await gate.waitMs()
  if (waitMs <= 0) return
  throw new Fault({
    code: 'RATE_LIMIT',
    message: 'GitHub asked us a moment ago to slow down: the run goes on when it lets us.',
    retryable: true,
    retryAfterMs: waitMs,
  })
}

async function translated(error: unknown, asked: Asked, gate: RateGate): Promise<unknown> {
  const failure = failureOf(error)
  if (failure === null) return error
  const now = Date.now()
  const waitMs = limitMs(failure, now)
  if (waitMs !== null) await gate.close(waitMs)
  return faultOf(failure, asked, now, error)
}

const tookTooLong = (cause: unknown): Fault =>
  new Fault({ code: 'UPSTREAM_TIMEOUT', message: 'GitHub did not answer in time.', retryable: true, cause })
