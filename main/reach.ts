import type { Config } from '../config.ts'
import { Fault } from '../core/model/problem.ts'

/**
 * Throws a Fault where a network shall call this process and cannot: it would be told an address that leads nowhere, or
 * none, and the bot would be deaf there without a word. For the process that serves the API; others need no port.
 */
export function assertReachable({ telegram, slack, github, http, publicUrl }: Config): void {
  if (telegram?.webhookSecret && (publicUrl === null || http === null))
    throw deaf(
      'TELEGRAM_WEBHOOK_SECRET is set, so Telegram shall bring its updates: set QP_PUBLIC_URL and QP_HTTP_PORT too, or leave the secret out and the bot asks for them (docs/telegram.md).',
    )
  if (http !== null) return
  if (slack && slack.appToken === null)
    throw deaf(
      'SLACK_SIGNING_SECRET is set without SLACK_APP_TOKEN, so Slack shall call us: set QP_HTTP_PORT too, or SLACK_APP_TOKEN, which needs no public address (docs/slack.md).',
    )
  if ((github?.webhookSecrets.length ?? 0) > 0)
    throw deaf(
      'GITHUB_WEBHOOK_SECRET is set, so GitHub shall call us: set QP_HTTP_PORT too, or leave the secret out (docs/github.md).',
    )
}

const deaf = (message: string): Fault => new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false })
