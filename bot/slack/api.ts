import { webApi } from '@slack/bolt'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import { faultOf, isWord } from './fault.ts'
import type { QuietLogger } from './logger.ts'

/** Where the token of each call comes from. */
export interface TokenSource {
  current(): Promise<string>
  /** Another token than that; null where there is but one. */
  readonly renew: ((dead: string) => Promise<string>) | null
}

export type ApiOptions = { readonly tokens: TokenSource; readonly apiRoot: string; readonly logger: QuietLogger }

/** How one call may take before it counts as lost. */
const timeout = 10_000

/** Settings of every client of Slack's: it asks once, so that whoever owns the work decides about asking again. */
export const clientOptions = (apiRoot: string, logger: QuietLogger): webApi.WebClientOptions => ({
  slackApiUrl: apiRoot,
  retryConfig: { retries: 0 },
  rejectRateLimitedCalls: true,
  allowAbsoluteUrls: false,
  timeout,
  logger,
})

const Whoami = z.object({ team_id: z.string(), user_id: z.string() })

/** Slack's Web API as this app uses it. Every method throws a Fault. */
export class Api {
  readonly #client: webApi.WebClient
  readonly #tokens: TokenSource
  #self: Promise<{ team: string; user: string }> | null = null

  constructor({ tokens, apiRoot, logger }: ApiOptions) {
    this.#tokens = tokens
    this.#client = new webApi.WebClient(undefined, clientOptions(apiRoot, logger))
  }

  async call<T>(method: string, options: Record<string, unknown>, answer: z.ZodType<T>): Promise<T> {
    return answer.parse(await this.#send(method, options))
  }

  async tell(method: string, options: Record<string, unknown>): Promise<void> {
    await this.#send(method, options)
  }

  /** Our workspace and our own user, asked once. */
  async self(): Promise<{ team: string; user: string }> {
    this.#self ??= this.call('auth.test', {}, Whoami).then(({ team_id, user_id }) => ({ team: team_id, user: user_id }))
    try {
      return await this.#self
    } catch (error) {
      this.#self = null
      throw error
    }
  }

  /** Puts a text as a file into a conversation, which may be a direct one. */
  async upload(channel: string, { name, text }: { name: string; text: string }): Promise<void> {
    const bytes = Buffer.from(text)
    const place = await this.call(
      'files.getUploadURLExternal',
      { filename: name, length: bytes.length },
      z.object({ upload_url: z.string(), file_id: z.string() }),
    )
    const sent = await post(place.upload_url, 'application/octet-stream', bytes)
    if (!sent) throw new Fault({ code: 'TRANSIENT_NETWORK', retryable: true, message: 'Slack did not take the file.' })
    await this.tell('files.completeUploadExternal', {
      files: [{ id: place.file_id, title: name }],
      channel_id: channel,
    })
  }

  /** The direct conversation with a person. */
  async directWith(user: string): Promise<string> {
    const open = z.object({ channel: z.object({ id: z.string() }) })
    return (await this.call('conversations.open', { users: user }, open)).channel.id
  }

  async #send(method: string, options: Record<string, unknown>): Promise<unknown> {
    const { renew } = this.#tokens
    const token = await this.#tokens.current()
    try {
      return await this.#sendWith(token, method, options)
    } catch (error) {
      // Refused before anything was done, so it may be said again.
      if (renew === null || !isWord(error, 'token_expired', 'token_revoked')) throw error
      return await this.#sendWith(await renew(token), method, options)
    }
  }

  async #sendWith(token: string, method: string, options: Record<string, unknown>): Promise<unknown> {
    try {
      return await this.#client.apiCall(method, { ...options, token })
    } catch (error) {
      throw faultOf(method, error, 'SLACK_BOT_TOKEN')
    }
  }
}

/** Posts to an address that Slack gave for one answer; false when it was not taken. */
export async function post(url: string, type: string, body: string | Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(timeout)
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
      signal,
      redirect: 'error',
    })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    // Refused, reset or too slow: the caller has another way to answer.
    return false
  }
}
