import { expect, test } from 'vitest'
import { type Config, environmentNames, loadConfig } from './config.ts'

const load = (environment: Record<string, string>, files: Record<string, string> = {}): Config => {
  const result = loadConfig(environment, (path) => {
    const text = files[path]
    if (text === undefined) throw new Error('no such file')
    return text
  })
  if (!result.ok) throw new Error(result.refusal.message)
  return result.value
}

test('nothing needs to be set', () => {
  expect(load({})).toMatchObject({
    databaseUrl: null,
    stateDir: '.quantapilot',
    allowedHosts: null,
    allowFileUrls: false,
    leaseMs: 30_000,
    beatMs: 10_000,
    reapMs: 5_000,
    actorConcurrency: 8,
    telegram: null,
    logLevel: 'warn',
    colour: null,
  })
})

test('an empty variable counts as not set', () => {
  expect(load({ DATABASE_URL: '', QP_STATE_DIR: '', NO_COLOR: '' })).toMatchObject({
    databaseUrl: null,
    stateDir: '.quantapilot',
    colour: null,
  })
})

test('every wrong variable is named at once, the unknown ones with the nearest known one', () => {
  const result = loadConfig({
    DATABASE_URL: 'mysql://secret@host/x',
    QP_LEASE_MS: 'soon',
    QP_ALLOW_FILE_URLS: 'maybe',
    QP_CONCURENCY: '4',
    QP_ALLOWED_HOSTS: 'github.com;evil',
  })
  expect(result.ok ? '' : result.refusal.message.split('\n').sort()).toEqual([
    'DATABASE_URL must begin with postgresql://, such as postgresql://user@host/name.',
    'QP_ALLOWED_HOSTS must be host names with commas between, such as github.com,git.example.org.',
    'QP_ALLOW_FILE_URLS must be yes or no.',
    'QP_CONCURENCY is not a setting: did you mean QP_CONCURRENCY?',
    'QP_LEASE_MS must be a whole number of milliseconds from 500 to 3600000.',
  ])
})

test('a heartbeat too slow for its lease is refused', () => {
  expect(() => load({ QP_LEASE_MS: '3000', QP_BEAT_MS: '2000' })).toThrow('less than half')
  expect(load({ QP_LEASE_MS: '3000', QP_BEAT_MS: '1000' })).toMatchObject({ leaseMs: 3000, beatMs: 1000 })
})

test('changes are reviewed unless the operator says no', () => {
  expect(load({}).reviews).toBe(true)
  expect(load({ QP_REVIEW: 'no' }).reviews).toBe(false)
  expect(() => load({ QP_REVIEW: 'sometimes' })).toThrow('QP_REVIEW must be yes or no.')
})

test('a secret may come from a file', () => {
  expect(load({ DATABASE_URL_FILE: '/run/secrets/db' }, { '/run/secrets/db': 'postgres://a@b/c\n' }).databaseUrl).toBe(
    'postgres://a@b/c',
  )
  expect(() => load({ DATABASE_URL_FILE: '/nowhere' })).toThrow(
    'DATABASE_URL_FILE names /nowhere, which cannot be read',
  )
  expect(() => load({ DATABASE_URL: 'postgres://a@b/c', DATABASE_URL_FILE: '/x' })).toThrow('keep one')
})

test.each(
  environmentNames.filter((name) => environmentNames.includes(name.replace(/_FILE$/, '')) && name.endsWith('_FILE')),
)('%s that names an empty file, or one of spaces, is refused: an empty secret keeps nobody out', (name) => {
  for (const text of ['', ' \n\t ']) {
    const result = loadConfig({ [name]: '/run/secrets/it' }, () => text)
    expect(result).toMatchObject({
      ok: false,
      refusal: { message: expect.stringContaining(name.replace('_FILE', '')) },
    })
  }
})

test('mail is on where there is a server and a sender, and its password may come from a file', () => {
  expect(load({ QP_PUBLIC_URL: 'https://qp.example.org' }).mail).toBeNull()
  const environment = { SMTP_URL_FILE: '/run/secrets/smtp', SMTP_FROM: 'qp@example.org' }
  expect(load(environment, { '/run/secrets/smtp': 'smtp://qp:canary@mail.example.org\n' }).mail).toMatchObject({
    host: 'mail.example.org',
    port: 587,
    login: { user: 'qp', password: 'canary' },
  })
  expect(() => load({ SMTP_URL: 'smtp://mail.example.org' })).toThrow('set both, or neither')
})

test('the secret of webhooks must be long, and may come from a file', () => {
  expect(load({ QP_SECRET_FILE: '/run/secrets/qp' }, { '/run/secrets/qp': `${'k'.repeat(32)}\n` }).secret).toBe(
    'k'.repeat(32),
  )
  expect(() => load({ QP_SECRET: 'short' })).toThrow('at least 32 characters')
})

test.each([
  [{ NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  [{ FORCE_COLOR: '1' }, true],
  [{ FORCE_COLOR: '0' }, false],
  [{ TERM: 'dumb' }, false],
  [{ TERM: 'xterm' }, null],
] as const)('colour under %j is %s', (environment, colour) => {
  expect(load(environment).colour).toBe(colour)
})

test('a second process gets what leads to the same configuration, and no other program’s secrets', () => {
  const { childEnvironment } = load({
    QP_LEASE_MS: '9000',
    QP_BEAT_MS: '3000',
    PATH: '/bin',
    HOME: '/h',
    AWS_SECRET: 'x',
  })
  expect(childEnvironment).toEqual({ QP_LEASE_MS: '9000', QP_BEAT_MS: '3000', PATH: '/bin', HOME: '/h' })
})

const slackTokens = {
  SLACK_BOT_TOKEN: 'xoxb-canary-1',
  SLACK_APP_TOKEN: 'xapp-canary-2',
  SLACK_SIGNING_SECRET: 'canary-0123456789abcdef',
}

const slackRotation = {
  SLACK_CLIENT_ID: '12.34',
  SLACK_CLIENT_SECRET: 'canary-secret-0123456',
  SLACK_REFRESH_TOKEN: 'xoxe-1-canary',
}

test('a Slack token that rotates needs the app’s credentials, and the first access token may be left out', () => {
  const { SLACK_APP_TOKEN } = slackTokens
  const rotation = {
    clientId: '12.34',
    clientSecret: 'canary-secret-0123456',
    firstRefreshToken: 'xoxe-1-canary',
  }
  expect(load({ SLACK_APP_TOKEN, ...slackRotation }).slack).toMatchObject({ botToken: null, rotation })
  const withFirst = load({ SLACK_APP_TOKEN, ...slackRotation, SLACK_BOT_TOKEN: 'xoxe.xoxb-canary' }).slack
  expect(withFirst).toMatchObject({ botToken: null, rotation })
})

test('Slack is off until a bot token is set, and then needs a way for its events to come in', () => {
  expect(load({ SLACK_BOT_TOKEN: '', SLACK_APP_TOKEN: '', SLACK_SIGNING_SECRET: '' }).slack).toBe(null)
  expect(load({ ...slackTokens, SLACK_CHANNEL: 'C0123ABCD' }).slack).toEqual({
    botToken: 'xoxb-canary-1',
    rotation: null,
    appToken: 'xapp-canary-2',
    signingSecret: 'canary-0123456789abcdef',
    channel: 'C0123ABCD',
    apiRoot: 'https://slack.com/api/',
  })
  const files = { '/s/bot': 'xoxb-canary-1\n', '/s/app': 'xapp-canary-2\n' }
  const fromFiles = load({ SLACK_BOT_TOKEN_FILE: '/s/bot', SLACK_APP_TOKEN_FILE: '/s/app' }, files).slack
  expect(fromFiles).toMatchObject({ botToken: 'xoxb-canary-1', appToken: 'xapp-canary-2', signingSecret: null })
})

test.each([
  [
    'no way in',
    { SLACK_BOT_TOKEN: 'xoxb-canary-1' },
    'SLACK_APP_TOKEN (no public address needed) nor SLACK_SIGNING_SECRET',
  ],
  ['an empty way in', { ...slackTokens, SLACK_APP_TOKEN: '', SLACK_SIGNING_SECRET: '' }, 'set one of them'],
  ['no bot token', { SLACK_APP_TOKEN: 'xapp-canary-2' }, 'SLACK_APP_TOKEN is set without SLACK_BOT_TOKEN'],
  ['an empty bot token', { ...slackTokens, SLACK_BOT_TOKEN: '' }, 'is set without SLACK_BOT_TOKEN'],
  ['a channel alone', { SLACK_CHANNEL: 'C0123ABCD' }, 'SLACK_CHANNEL is set without SLACK_BOT_TOKEN'],
  ['an empty file', { ...slackTokens, SLACK_BOT_TOKEN: '', SLACK_BOT_TOKEN_FILE: '/empty' }, 'must begin with xoxb-'],
  ['a rotating token', { ...slackTokens, SLACK_BOT_TOKEN: 'xoxe.xoxb-canary' }, 'only with SLACK_CLIENT_ID'],
  [
    'half a rotation',
    { SLACK_APP_TOKEN: 'xapp-1', SLACK_REFRESH_TOKEN: 'xoxe-canary' },
    'SLACK_CLIENT_ID and SLACK_CLIENT_SECRET',
  ],
  ['a token that stays beside one that rotates', { ...slackTokens, ...slackRotation }, 'one that does not rotate'],
  [
    'tokens changed about',
    { ...slackTokens, SLACK_APP_TOKEN: 'xoxb-canary-1' },
    'SLACK_APP_TOKEN must begin with xapp-',
  ],
  ['a short signing secret', { ...slackTokens, SLACK_SIGNING_SECRET: 'canary' }, 'SLACK_SIGNING_SECRET must be'],
  ['a channel’s name', { ...slackTokens, SLACK_CHANNEL: '#builds' }, 'must be a channel id'],
] as const)('Slack with %s is refused in a sentence that holds no secret', (_, environment, sentence) => {
  const result = loadConfig(environment, () => '')
  expect(result.ok ? '' : result.refusal.message).toContain(sentence)
  expect(result.ok ? '' : result.refusal.message).not.toContain('canary')
})

test('a process for one run gets no token of Slack’s', () => {
  expect(JSON.stringify(load({ ...slackTokens, QP_STATE_DIR: '/x' }).childEnvironment)).not.toContain('canary')
})

const token = '123456:ABCdefGHIjklMNOpqrSTUvwxYZ012345678'

test('a token is enough for Telegram, and may come from a file', () => {
  const usual = { token, chatId: null, webhookSecret: null, apiRoot: 'https://api.telegram.org' }
  expect(load({ TELEGRAM_BOT_TOKEN: token }).telegram).toEqual(usual)
  expect(load({ TELEGRAM_BOT_TOKEN_FILE: '/t' }, { '/t': `${token}\n` }).telegram).toEqual(usual)
})

test('Telegram may have a chat, a topic, a webhook’s secret and a server of one’s own', () => {
  const environment = {
    TELEGRAM_BOT_TOKEN: token,
    TELEGRAM_CHAT_ID: '-1001234567890/17',
    TELEGRAM_WEBHOOK_SECRET: 'abcdefgh_12345678',
    TELEGRAM_API_ROOT: 'http://127.0.0.1:8081/',
  }
  expect(load(environment).telegram).toEqual({
    token,
    chatId: '-1001234567890/17',
    webhookSecret: 'abcdefgh_12345678',
    apiRoot: 'http://127.0.0.1:8081',
  })
})

test.each([
  ['TELEGRAM_BOT_TOKEN', 'canary-no-token'],
  ['TELEGRAM_CHAT_ID', '@canary'],
  ['TELEGRAM_WEBHOOK_SECRET', 'canary'],
  ['TELEGRAM_API_ROOT', 'canary'],
])('a wrong %s is named and not repeated', (name, value) => {
  expect(() => load({ [name]: value })).toThrow(name)
  expect(() => load({ [name]: value })).not.toThrow('canary')
})

const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----'

test('GitHub is reached with a token or as an App, and an Enterprise’s host follows from its API', () => {
  expect(load({}).github).toBeNull()
  // Other programs set this one too.
  expect(load({ GITHUB_API_URL: 'https://api.github.com' }).github).toBeNull()
  expect(load({ GITHUB_TOKEN: 'github_pat_1' }).github).toEqual({
    apiUrl: 'https://api.github.com',
    host: 'github.com',
    identity: { kind: 'token', token: 'github_pat_1' },
    webhookSecrets: [],
  })
  const app = load(
    {
      GITHUB_APP_ID: '4711',
      GITHUB_PRIVATE_KEY_FILE: '/run/secrets/key',
      GITHUB_API_URL: 'https://git.example.org/api/v3/',
      GITHUB_WEBHOOK_SECRET: 'new-secret-0123456 old-secret-0123456',
    },
    { '/run/secrets/key': `${key}\n` },
  )
  expect(app.github).toEqual({
    apiUrl: 'https://git.example.org/api/v3',
    host: 'git.example.org',
    identity: { kind: 'app', appId: '4711', privateKey: key },
    webhookSecrets: ['new-secret-0123456', 'old-secret-0123456'],
  })
})

test.each<[Record<string, string>, string]>([
  [{ GITHUB_APP_ID: '4711' }, 'GITHUB_APP_ID is set without GITHUB_PRIVATE_KEY'],
  [{ GITHUB_PRIVATE_KEY: key }, 'GITHUB_PRIVATE_KEY is set without GITHUB_APP_ID'],
  [{ GITHUB_TOKEN: 'x', GITHUB_APP_ID: '1', GITHUB_PRIVATE_KEY: key }, 'are both set: keep the token or the App'],
  [{ GITHUB_WEBHOOK_SECRET: 'long-enough-secret' }, 'GITHUB_WEBHOOK_SECRET is set without'],
  [{ GITHUB_TOKEN: 'x', GITHUB_WEBHOOK_SECRET: ' ' }, 'GITHUB_WEBHOOK_SECRET must have 16 characters'],
  [{ GITHUB_TOKEN: 'x', GITHUB_WEBHOOK_SECRET: 'long-enough-secret short' }, 'GITHUB_WEBHOOK_SECRET must have 16'],
  [{ QP_GIT_CA_FILE: 'company.pem' }, 'QP_GIT_CA_FILE must be the whole path'],
  [{ GITHUB_TOKEN: 'two words' }, 'GITHUB_TOKEN must be one word'],
  [{ GITHUB_APP_ID: 'Iv1.8a', GITHUB_PRIVATE_KEY: key }, 'GITHUB_APP_ID must be the number'],
  [{ GITHUB_APP_ID: '1', GITHUB_PRIVATE_KEY: 'MIIE' }, 'GITHUB_PRIVATE_KEY must be the .pem file'],
  [{ GITHUB_TOKEN: 'x', GITHUB_API_URL: 'http://git.example.org' }, 'GITHUB_API_URL must be an https address'],
])('%j is refused with what to do', (environment, sentence) => {
  expect(() => load(environment)).toThrow(sentence)
})

test('HTTP is served only where a port is asked for, and only to this machine unless told otherwise', () => {
  expect(load({}).http).toBeNull()
  expect(load({ QP_OPS_PORT: '9000' }).http).toBeNull()
  expect(load({ QP_HTTP_PORT: '3000' }).http).toEqual({
    host: '127.0.0.1',
    port: 3000,
    opsHost: '127.0.0.1',
    opsPort: 9464,
    runsPerHour: 10,
  })
  expect(loadConfig({ QP_HTTP_PORT: '70000' })).toMatchObject({
    refusal: { message: expect.stringContaining('QP_HTTP_PORT') as string },
  })
})

test('models are asked in the order they are named, each at its provider', () => {
  const { models } = load(
    {
      QP_MODEL: 'openai/gpt-5.5, compatible/llama',
      QP_MODEL_BASE_URL: 'http://localhost:11434/v1',
      OPENAI_API_KEY_FILE: '/k',
    },
    { '/k': 'sk-1\n' },
  )
  expect(models).toEqual([
    { name: 'openai/gpt-5.5', provider: 'openai', model: 'gpt-5.5', apiKey: 'sk-1', baseUrl: null },
    {
      name: 'compatible/llama',
      provider: 'compatible',
      model: 'llama',
      apiKey: null,
      baseUrl: 'http://localhost:11434/v1',
    },
  ])
})

test.each([
  [{ QP_MODEL: 'openai/gpt-5.5' }, 'QP_MODEL names openai/gpt-5.5, and OPENAI_API_KEY is not set'],
  [{ QP_MODEL: 'compatible/llama' }, 'QP_MODEL names compatible/llama, and QP_MODEL_BASE_URL is not set'],
  [{ QP_MODEL: 'gpt-5.5' }, 'QP_MODEL must name models with commas between'],
  [{ OPENAI_BASE_URL: 'http://models.example.org/v1' }, 'OPENAI_BASE_URL must be an https address'],
  [{ QP_AGENT: 'codex' }, 'QP_AGENT is set and QP_MODEL is not'],
  [{ QP_AGENT: 'codeks' }, 'QP_AGENT must be one of codex, opencode, claude-code, gemini-cli, cursor, command.'],
  [{ QP_AGENT: 'cursor' }, 'QP_AGENT is cursor and CURSOR_API_KEY is not set: make one in the dashboard of Cursor'],
  [{ QP_AGENT: 'cursor', CURSOR_API_KEY: 'k' }, 'QP_AGENT is cursor and QP_CURSOR_TURN_USD is not set'],
  [{ QP_CURSOR_TURN_USD: '1,50' }, 'QP_CURSOR_TURN_USD must be US dollars'],
  [{ QP_CURSOR_TURN_TOKENS: '0' }, 'QP_CURSOR_TURN_TOKENS must be a whole number of tokens'],
  [{ QP_CURSOR_MODEL: '--force' }, 'QP_CURSOR_MODEL must be a model as cursor-agent --list-models shows it'],
  [{ CURSOR_API_ENDPOINT: 'http://cursor.example.org' }, 'CURSOR_API_ENDPOINT must be an https address'],
])('%j is refused with what to set', (environment, sentence) => {
  const result = loadConfig(environment)
  expect(result.ok ? '' : result.refusal.message).toContain(sentence)
})

test('Cursor’s agent needs no other model, and its key may come from a file', () => {
  const given = { QP_AGENT: 'cursor', CURSOR_API_KEY_FILE: '/run/secrets/cursor', QP_CURSOR_TURN_USD: '1.5' }
  const result = loadConfig(given, () => 'crsr_1\n')
  expect(result.ok && result.value.cursor).toEqual({
    model: 'auto',
    apiKey: 'crsr_1',
    baseUrl: 'https://api2.cursor.sh',
    turn: { micros: 1_500_000, tokens: 500_000 },
  })
  expect(result.ok && result.value.models).toEqual([])
})

test.each([
  ['packages.example.com', [{ host: 'packages.example.com', port: 443 }]],
  [
    'Packages.Example.com:8443, 10.0.0.5',
    [
      { host: 'packages.example.com', port: 8443 },
      { host: '10.0.0.5', port: 443 },
    ],
  ],
  ['[2001:DB8::1]:4873', [{ host: '2001:db8::1', port: 4873 }]],
] as const)('packages may come from %s', (QP_PACKAGE_HOSTS, hosts) => {
  expect(load({ QP_PACKAGE_HOSTS }).packageHosts).toEqual(hosts)
})

test.each([
  'https://packages.example.com',
  'packages.example.com/npm',
  'user@packages.example.com',
  '*.example.com',
  'packages.example.com.',
  'packages.example.com:0',
  'packages.example.com:65536',
  'packages.example.com:',
  '127.1',
  '2130706433',
  '0x7f000001',
  '2001:db8::1',
  '[packages.example.com]',
  ',',
])('%s names no host that packages may come from', (QP_PACKAGE_HOSTS) => {
  expect(() => load({ QP_PACKAGE_HOSTS })).toThrow(/^QP_PACKAGE_HOSTS must be host names with commas between/)
})
