import { setTimeout as delay } from 'node:timers/promises'
import { App, type Receiver, type ReceiverEvent } from '@slack/bolt'
import { assert, Fault } from '../../core/model/problem.ts'
import type { Board, Reception, Surface } from '../surface.ts'
import { Api, type TokenSource } from './api.ts'
import { createBoard } from './board.ts'
import { Desk } from './desk.ts'
import type { SlackSettings } from './environment.ts'
import { type Log, quietLogger } from './logger.ts'
import { People } from './people.ts'
import { addressOf } from './place.ts'
import { answerRequest, type HttpAnswer, type RequestKind } from './request.ts'
import { RotatingToken, type TokenStore } from './rotation.ts'
import type { Headers } from './signature.ts'
import { keepSocket } from './socket.ts'

export type SlackOptions = SlackSettings & {
  readonly reception: Reception
  readonly log: Log
  /** Where rotating tokens are kept; null where the token does not rotate. */
  readonly store: TokenStore | null
  /** How long an answer may take before Slack hears that it is on its way; two seconds unless a test says less. */
  readonly patienceMs?: number
}

export interface Slack extends Surface, Board {
  readonly name: 'slack'
  /** What Slack posts to us where there is no socket, as the bytes that came; 404 where there is one. */
  handleRequest(kind: RequestKind, headers: Headers, rawBody: Uint8Array): Promise<HttpAnswer>
  /** The address of SLACK_CHANNEL, where runs of no particular place are told of; null where it is not set. */
  destination(): Promise<string | null>
}

/** Slack as a surface: a socket where there is an app token, else signed requests. Sends nothing before it is asked to. */
export function createSlack(options: SlackOptions): Slack {
  const { botToken, appToken, signingSecret, rotation, store, apiRoot, log, reception } = options
  assert(
    [botToken, appToken, signingSecret].every((secret) => secret !== ''),
    'an empty secret keeps nobody out',
  )
  const logger = quietLogger(log, [botToken, appToken, signingSecret, rotation?.clientSecret ?? null])
  const rotating = rotation && store ? new RotatingToken({ ...rotation, store, apiRoot, logger, log }) : null
  const api = new Api({ tokens: rotating ?? fixed(botToken), apiRoot, logger })
  const desk = new Desk({ api, people: new People(api), reception, log, patienceMs: options.patienceMs ?? 2_000 })
  const intake = new Intake()
  const app = new App({
    receiver: intake,
    logger,
    clientOptions: { slackApiUrl: apiRoot },
    // We speak through our own client; Bolt only sorts what comes in.
    authorize: () => Promise.resolve({}),
    convoStore: false,
    ignoreSelf: false,
  })
  app.error((error) => {
    log('error', 'something from Slack could not be taken in', { error: shortly(error) })
    return Promise.resolve()
  })
  desk.listen(app)
  const stopping = new AbortController()
  const { signal } = stopping
  const feed = (event: ReceiverEvent): Promise<void> => app.processEvent(event)
  const listen = async (): Promise<void> => {
    await untilKnown(api, signal, log)
    if (appToken === null) await stopped(signal)
    else await keepSocket({ appToken, apiRoot, logger, log, app, signal })
  }
  return {
    ...createBoard(api),
    name: 'slack',
    start: async () => {
      try {
        await Promise.all([listen(), rotating?.keep(signal)])
      } catch (error) {
        log('error', 'Slack is off', { error: shortly(error) })
        throw error
      }
    },
    stop: async () => {
      stopping.abort()
      await desk.settled()
    },
    handleRequest: (kind, headers, rawBody) =>
      appToken !== null || signingSecret === null
        ? Promise.resolve({ status: 404, headers: {}, body: '' })
        : answerRequest({ secret: signingSecret, log, feed }, kind, { headers, rawBody }),
    destination: async () => (options.channel === null ? null : addressOf((await api.self()).team, options.channel)),
  }
}

/** A token that stays as it is. */
function fixed(botToken: string | null): TokenSource {
  assert(botToken !== null, 'Slack has neither a token nor a place to keep one that rotates')
  return { current: () => Promise.resolve(botToken), renew: null }
}

/** Bolt wants something that receives; ours is fed from outside. */
class Intake implements Receiver {
  init(): void {}

  start(): Promise<void> {
    return Promise.resolve()
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}

/** Slack may be away when we start; a token that it refuses ends the surface instead. */
async function untilKnown(api: Api, signal: AbortSignal, log: Log): Promise<void> {
  for (let waitMs = 500; !signal.aborted; waitMs = Math.min(waitMs * 2, 60_000)) {
    try {
      await api.self()
      return
    } catch (error) {
      if (!(error instanceof Fault) || !error.retryable) throw error
      log('warn', 'Slack does not answer yet', { error: error.message })
      await delay(error.retryAfterMs ?? waitMs, null, { signal }).catch(() => null)
    }
  }
}

const stopped = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

const shortly = (error: unknown): string => (error instanceof Error ? error.message.slice(0, 300) : 'unknown')
