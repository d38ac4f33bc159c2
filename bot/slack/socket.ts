import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '@slack/bolt'
import { SocketModeReceiver } from '@slack/bolt'
import { Fault } from '../../core/model/problem.ts'
import { clientOptions } from './api.ts'
import { faultOf } from './fault.ts'
import type { Log, QuietLogger } from './logger.ts'

export type SocketOptions = {
  readonly appToken: string
  readonly apiRoot: string
  readonly logger: QuietLogger
  readonly log: Log
  readonly app: App
  readonly signal: AbortSignal
}

const helloMs = 15_000
const longestWaitMs = 60_000

/**
 * Keeps a socket to Slack open until the signal is aborted. Slack renews each connection every few hours and says so:
 * the next one is opened at once, and what was not acknowledged on the old one comes again on it. Bolt's own
 * reconnecting is not used: a failure in it ends the process as an unhandled rejection, and it waits five seconds each
 * time. Throws a Fault where asking again is of no use.
 */
export async function keepSocket(options: SocketOptions): Promise<void> {
  const { signal, log } = options
  let failures = 0
  while (!signal.aborted) {
    const opened = performance.now()
    try {
      const { end } = await connect(options)
      if (failures > 0) log('warn', 'the socket to Slack is open again', {})
      const why = await end
      if (why === 'renewed' || performance.now() - opened > longestWaitMs) failures = 0
      else failures += 1
    } catch (error) {
      if (signal.aborted) return
      const fault = faultOf('apps.connections.open', error, 'SLACK_APP_TOKEN')
      if (!fault.retryable) throw fault
      failures += 1
      log('warn', 'no socket to Slack', { error: fault.message, failures })
    }
    if (failures > 0) await pause(failures, signal)
  }
}

type End = 'renewed' | 'broken' | 'stopped'

/** Resolves, when Slack has greeted us, with how that connection will end. */
async function connect({ appToken, apiRoot, logger, app, signal }: SocketOptions): Promise<{ end: Promise<End> }> {
  const receiver = new SocketModeReceiver({
    appToken,
    logger,
    autoReconnectEnabled: false,
    installerOptions: { clientOptions: clientOptions(apiRoot, logger) },
  })
  receiver.init(app)
  const { client } = receiver
  const hangUp = (): void => void client.disconnect()
  const end = new Promise<End>((resolve) => {
    client.on('ws_message', (data: unknown) => {
      if (typeof data === 'string' && /^\s*\{\s*"type"\s*:\s*"disconnect"/.test(data)) resolve('renewed')
    })
    client.on('disconnected', () => resolve(signal.aborted ? 'stopped' : 'broken'))
  })
  signal.addEventListener('abort', hangUp, { once: true })
  void end.then(() => signal.removeEventListener('abort', hangUp))
  const greeted = new AbortController()
  const late = delay(helloMs, null, { signal: greeted.signal }).then(
    () => Promise.reject(new Fault({ code: 'UPSTREAM_TIMEOUT', retryable: true, message: 'Slack did not say hello.' })),
    () => null,
  )
  try {
    await Promise.race([client.start(), late])
  } catch (error) {
    hangUp()
    throw error
  } finally {
    greeted.abort()
  }
  return { end }
}

/** Doubling from a quarter of a second, with chance, so that many processes do not come back at once. */
async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(250 * 2 ** (failures - 1), longestWaitMs)
  await delay(longest * (0.5 + Math.random() / 2), null, { signal }).catch(() => null)
}
