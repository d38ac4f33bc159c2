import { expect, test } from 'vitest'
import type { Environment } from '../config.ts'
import { loadConfig } from '../config.ts'
import { assertReachable } from './reach.ts'

const telegram = {
  TELEGRAM_BOT_TOKEN: `1:${'a'.repeat(35)}`,
  TELEGRAM_WEBHOOK_SECRET: 's'.repeat(16),
}
const slack = { SLACK_BOT_TOKEN: 'xoxb-1', SLACK_SIGNING_SECRET: 's'.repeat(32) }
const github = { GITHUB_TOKEN: 'x', GITHUB_WEBHOOK_SECRET: 's'.repeat(16) }
const [port, address] = [{ QP_HTTP_PORT: '3000' }, { QP_PUBLIC_URL: 'https://qp.example.org' }]

const begin = (environment: Environment) => () => {
  const config = loadConfig(environment)
  if (!config.ok) throw new Error(config.refusal.message)
  assertReachable(config.value)
}

test.each<[string, Environment, string]>([
  ['Telegram without a port', { ...telegram, ...address }, 'QP_HTTP_PORT'],
  ['Telegram without an address to tell it', { ...telegram, ...port }, 'QP_PUBLIC_URL'],
  ['Slack without a port', slack, 'QP_HTTP_PORT'],
  ['GitHub without a port', github, 'QP_HTTP_PORT'],
])('%s that shall call us is refused at the start, with what to set', (_, environment, name) => {
  expect(begin(environment)).toThrow(name)
})

test.each<[string, Environment]>([
  ['nothing', {}],
  [
    'Telegram that is asked, and Slack by a socket',
    { ...telegram, TELEGRAM_WEBHOOK_SECRET: '', ...slack, SLACK_APP_TOKEN: 'xapp-1' },
  ],
  ['all three that call us, where they can', { ...telegram, ...slack, ...github, ...port, ...address }],
])('%s is in order', (_, environment) => {
  expect(begin(environment)).not.toThrow()
})
