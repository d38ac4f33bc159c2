import { expect, test } from 'vitest'
import { type Config, loadConfig } from './config.ts'

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

test('a secret may come from a file', () => {
  expect(load({ DATABASE_URL_FILE: '/run/secrets/db' }, { '/run/secrets/db': 'postgres://a@b/c\n' }).databaseUrl).toBe(
    'postgres://a@b/c',
  )
  expect(() => load({ DATABASE_URL_FILE: '/nowhere' })).toThrow(
    'DATABASE_URL_FILE names /nowhere, which cannot be read',
  )
  expect(() => load({ DATABASE_URL: 'postgres://a@b/c', DATABASE_URL_FILE: '/x' })).toThrow('keep one')
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
