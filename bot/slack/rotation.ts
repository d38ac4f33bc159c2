import { setTimeout as delay } from 'node:timers/promises'
import { webApi } from '@slack/bolt'
import { z } from 'zod'
import { assert, Fault } from '../../core/model/problem.ts'
import { clientOptions, type TokenSource } from './api.ts'
import type { Rotation } from './environment.ts'
import { faultOf, SlackFault } from './fault.ts'
import type { Log, QuietLogger } from './logger.ts'

/** How the tokens of the app stand, by the clock of whoever keeps them. */
export type Kept = {
  /** Grows with each pair; 0: there is none. */
  readonly version: number
  /** Null: none was made from the configured refresh token yet. */
  readonly accessToken: string | null
  readonly refreshInMs: number
  readonly endsInMs: number
  /** Why the last rotation failed, in Slack's word or ours; null when it did not. */
  readonly failure: string | null
}

/** The right to rotate once, for a while. */
export interface Turn {
  readonly refreshToken: string
  /** Resolves when the pair is safe; nothing is written where somebody else wrote one meanwhile. */
  keep(pair: { readonly accessToken: string; readonly refreshToken: string }, livesMs: number): Promise<void>
  /** Nobody gets a turn for that long. */
  fail(why: string, waitMs: number): Promise<void>
}

/** Where the tokens survive this process, shared by all that speak for the app. */
export interface TokenStore {
  read(): Promise<Kept>
  /** Null while somebody else has the turn, or when there is a newer version. */
  take(version: number, forMs: number): Promise<Turn | null>
}

export type RotationOptions = Rotation & {
  readonly apiRoot: string
  readonly store: TokenStore
  readonly logger: QuietLogger
  readonly log: Log
}

/** Longer than one call to Slack may take, and short: a used refresh token works only for a short while longer. */
const turnMs = 15_000

/** After what of a failure somebody tries again: of one that may pass, and of one that Slack was sure of. */
const passingMs = 5_000
const refusedMs = 15_000

const Refreshed = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  expires_in: z.number().min(60),
})

type Held = { readonly accessToken: string; readonly lookAt: number }

/**
 * The app's token, rotated when half its life is over, by one process at a time, and used only once it is safe in the
 * store. Slack revokes a used refresh token "after a short grace period"
 * (https://docs.slack.dev/authentication/using-token-rotation): whoever comes after a death in between must come soon.
 */
export class RotatingToken implements TokenSource {
  readonly #options: RotationOptions
  readonly #client: webApi.WebClient
  #held: Held | null = null
  #renewing: Promise<string> | null = null
  /** A pair that the store did not take yet. */
  #unkept: (() => Promise<void>) | null = null

  constructor(options: RotationOptions) {
    this.#options = options
    this.#client = new webApi.WebClient(undefined, clientOptions(options.apiRoot, options.logger))
  }

  /** A token that has not ended. Throws a Fault that says why there is none. */
  current(): Promise<string> {
    const held = this.#held
    return held && performance.now() < held.lookAt ? Promise.resolve(held.accessToken) : this.#once(null)
  }

  /** Another one than that, which Slack took no more. */
  readonly renew = async (dead: string): Promise<string> => {
    this.#held = null
    const next = await this.#once(dead)
    return next === dead ? this.#once(dead) : next
  }

  /** Rotates in time until the signal is aborted, whether anybody calls or not. Never rejects. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isThere = await this.current().then(
        () => true,
        () => false,
      )
      const waitMs = isThere && this.#held ? Math.max(1_000, this.#held.lookAt - performance.now()) : passingMs
      await delay(waitMs, null, { signal }).catch(() => null)
    }
  }

  #once(dead: string | null): Promise<string> {
    this.#renewing ??= this.#find(dead).finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  async #find(dead: string | null): Promise<string> {
    const { store } = this.#options
    const until = performance.now() + turnMs + passingMs
    for (;;) {
      await this.#keepLate()
      const kept = await store.read()
      const isGood = kept.accessToken !== null && kept.accessToken !== dead && kept.endsInMs > 0
      if (isGood && kept.refreshInMs > 0) return this.#hold(kept)
      const turn = await store.take(kept.version, turnMs)
      const failure = turn ? await this.#rotate(turn) : kept.failure
      if (turn && failure === null) continue
      if (isGood) return this.#hold(kept)
      if (failure !== null) throw notRotated(failure)
      if (performance.now() > until) throw notRotated('another process has not come back from asking')
      await delay(100)
    }
  }

  #hold({ accessToken, refreshInMs, endsInMs }: Kept): string {
    assert(accessToken !== null, 'what is held is a token')
    this.#held = { accessToken, lookAt: performance.now() + Math.min(endsInMs, Math.max(refreshInMs, passingMs)) }
    return accessToken
  }

  /** Null when there is a new pair; else why not, which is written down and said. */
  async #rotate(turn: Turn): Promise<string | null> {
    const sent = performance.now()
    const answer = await this.#ask(turn.refreshToken)
    if (!answer.ok) {
      this.#options.log('error', 'the token of Slack was not rotated', { error: sayFailure(answer.why) })
      await turn.fail(answer.why, answer.waitMs)
      return answer.why
    }
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = answer.value
    this.#unkept = () =>
      turn.keep({ accessToken, refreshToken }, Math.max(0, seconds * 1000 - (performance.now() - sent)))
    await this.#keepLate()
    return null
  }

  async #ask(refreshToken: string) {
    const { clientId, clientSecret } = this.#options
    const form = {
      client_id: clientId,
      client_secret: clientSecret,
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    }
    try {
      return { ok: true, value: Refreshed.parse(await this.#client.apiCall('oauth.v2.access', form)) } as const
    } catch (error) {
      const fault = faultOf('oauth.v2.access', error, 'SLACK_REFRESH_TOKEN')
      const why = (fault instanceof SlackFault ? fault.word : null) ?? fault.message
      return { ok: false, why, waitMs: fault.retryable ? passingMs : refusedMs } as const
    }
  }

  /** Slack gives a pair once: it is offered to the store until that takes it. */
  async #keepLate(): Promise<void> {
    const keep = this.#unkept
    if (keep === null) return
    try {
      await keep()
    } catch (error) {
      this.#options.log('error', 'the new token of Slack could not be kept yet', { error })
      throw error
    }
    this.#unkept = null
  }
}

/** What is wrong with a rotation, and what to do. */
function sayFailure(why: string): string {
  const name = `Slack gave no new token (${why})`
  if (why === 'invalid_refresh_token')
    return `${name}: the refresh token was used up or taken back. Install the app again, set SLACK_REFRESH_TOKEN to the new one and restart (docs/slack.md).`
  if (['invalid_client_id', 'bad_client_secret', 'invalid_client'].includes(why))
    return `${name}: set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET as they stand under Basic Information, and restart (docs/slack.md).`
  return `${name}: it is tried again by itself.`
}

/** Worth trying again, so that what waits to be said is kept until there is a token. */
const notRotated = (why: string): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    retryable: true,
    retryAfterMs: passingMs,
    message: `The rotation of Slack's token failed, and the old one has ended. ${sayFailure(why)}`,
  })

/** How the rotation goes, for whoever looks after the program. */
export function checkRotation(kept: Kept): { readonly status: 'pass' | 'warn' | 'fail'; readonly message: string } {
  if (kept.failure !== null) return { status: 'fail', message: sayFailure(kept.failure) }
  if (kept.accessToken === null || kept.endsInMs <= 0)
    return { status: 'warn', message: 'has no token at present: the bot fetches one when it starts' }
  return { status: 'pass', message: `the token rotates, and is good for ${Math.round(kept.endsInMs / 60_000)} min` }
}
