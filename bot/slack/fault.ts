import { webApi } from '@slack/bolt'
import { Fault, type FaultDetail } from '../../core/model/problem.ts'

const revoked = new Set(['invalid_auth', 'token_revoked', 'token_expired', 'account_inactive', 'not_authed'])

const mayNotPost =
  'the app may not post there: ask an admin of the workspace to let it and say /qp gates there, or choose another channel'

const closed: Readonly<Record<string, string>> = {
  is_archived:
    'the channel is archived: unarchive it and say /qp gates there, or choose another with SLACK_CHANNEL or /qp subscribe',
  not_in_channel: 'the app is not in the channel: invite it with /invite @quantapilot, then say /qp gates there',
  channel_not_found:
    'there is no such channel, or it is private and the app is not in it: invite the app with /invite @quantapilot, then say /qp gates there',
  restricted_action: mayNotPost,
  restricted_action_read_only_channel: mayNotPost,
  restricted_action_thread_only_channel: mayNotPost,
}

const passing = new Set([
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
])

/** A Fault that keeps Slack's own word for what it refused; null where it was not Slack that spoke. */
export class SlackFault extends Fault {
  readonly word: string | null

  constructor(detail: FaultDetail, word: string | null) {
    super(detail)
    this.word = word
  }
}

/** Whether a call failed with one of these words of Slack's. */
export const isWord = (error: unknown, ...words: readonly string[]): boolean =>
  error instanceof SlackFault && error.word !== null && words.includes(error.word)

/**
 * What a call to Slack died of, as a Fault: in words of ours, without a cause, so that neither a token nor a person's
 * text travels with it.
 */
export function faultOf(
  method: string,
  error: unknown,
  token: 'SLACK_BOT_TOKEN' | 'SLACK_APP_TOKEN' | 'SLACK_REFRESH_TOKEN',
): Fault {
  if (error instanceof Fault) return error
  const word = error instanceof webApi.WebAPIPlatformError ? soundWord(error.data.error) : null
  return new SlackFault(word === null ? detailOf(method, error) : refusedBy(method, word, token), word)
}

/** Only what looks like a word of Slack's: a proxy in between may answer with anything. */
const soundWord = (word: string): string => (/^[a-z_]{1,60}$/.test(word) ? word : 'unknown_reason')

function detailOf(method: string, error: unknown): FaultDetail {
  if (error instanceof webApi.WebAPIRateLimitedError) return slower(method, error.retryAfter)
  if (error instanceof webApi.WebAPIHTTPError) {
    const retryable = error.statusCode >= 500
    const code = retryable ? 'TRANSIENT_NETWORK' : 'FATAL'
    return { code, retryable, message: `Slack answered ${method} with HTTP ${error.statusCode}.` }
  }
  return { code: 'TRANSIENT_NETWORK', retryable: true, message: `Slack could not be reached for ${method}.` }
}

function slower(method: string, retryAfter: number): FaultDetail {
  const message = `Slack asks us to wait ${retryAfter} s before ${method}.`
  return { code: 'RATE_LIMIT', message, retryable: true, retryAfterMs: retryAfter * 1000 }
}

function refusedBy(method: string, word: string, token: string): FaultDetail {
  const ofApp = { code: 'FATAL', retryable: false } as const
  if (revoked.has(word))
    return {
      ...ofApp,
      message: `Slack does not accept ${token} any more (${word}): install the app again, set the new token and restart.`,
    }
  const place = closed[word]
  if (place !== undefined) {
    const message = `Slack did not take the message (${word}): ${place}.`
    return { code: 'PRECONDITION_FAILED', retryable: false, message }
  }
  if (word === 'missing_scope')
    return {
      ...ofApp,
      message: `The Slack app may not ${method}: apply slack-manifest.yml again and reinstall the app.`,
    }
  if (word === 'ratelimited' || word === 'rate_limited') return slower(method, 1)
  if (passing.has(word))
    return { code: 'TRANSIENT_NETWORK', retryable: true, message: `Slack could not do ${method} now (${word}).` }
  return { code: 'VALIDATION_ERROR', retryable: false, message: `Slack refused ${method}: ${word}.` }
}
