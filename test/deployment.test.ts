import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { environmentNames, loadConfig, roles } from '../config.ts'

const textOf = (name: string): string => readFileSync(join(import.meta.dirname, '..', name), 'utf8')

const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  user: z.string().optional(),
  command: z.array(z.string()),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  mem_limit: z.string().optional(),
  pids_limit: z.number().optional(),
  restart: z.string().optional(),
  environment: z.record(z.string(), z.string()),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  privileged: z.boolean().default(false),
  healthcheck: z.object({ test: z.array(z.string()).optional(), disable: z.boolean().optional() }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
})

const compose = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(textOf('docker-compose.yml'), { merge: true }))

const services = Object.entries(compose.services)

describe('docker-compose.yml', () => {
  test('has the parts of the program, each under its role, and the database of the documents', () => {
    expect(Object.keys(compose.services).toSorted()).toEqual(['bot', 'cron', 'db', 'migrate', 'worker'])
    for (const [name, { command, build }] of services.filter(([name]) => name !== 'db')) {
      expect({ build, command }).toEqual({ build: '.', command: ['start', '--role', name] })
      expect(roles).toContain(name)
    }
    const { ports, environment } = compose.services['db'] ?? { ports: [], environment: {} }
    expect(ports).toEqual(['127.0.0.1:5432:5432'])
    expect(environment).toEqual({
      POSTGRES_USER: 'qp',
      POSTGRES_PASSWORD: '${POSTGRES_PASSWORD:-qp}',
      POSTGRES_DB: 'quantapilot',
    })
  })

  test.each(services)('%s has no more power than it needs', (_, made) => {
    expect(made.user).toMatch(/^(node|postgres)$/)
    expect(made).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      privileged: false,
    })
    expect(made.mem_limit).toMatch(/^\d+[mg]$/)
    expect(made.pids_limit).toBeGreaterThan(0)
    expect(made.restart).toMatch(/^(unless-stopped|on-failure:\d)$/)
    expect(made.volumes.filter((volume) => volume.includes('docker.sock'))).toEqual([])
    // Whoever publishes a port to others than this machine says so.
    expect(made.ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test.each(services.filter(([name]) => name !== 'db'))(
    '%s has the one folder of keys, and writes to it',
    (_, made) => {
      expect(made.environment['QP_KEYS_DIR']).toBe('/var/lib/quantapilot/keys')
      expect(made.volumes).toContain('keys:/var/lib/quantapilot/keys')
    },
  )

  test.each(services)('%s is an exact version', (_, { image }) => {
    expect(image).toMatch(/^[a-z]+:\d+\.\d+(\.\d+)?$/)
  })

  test('the image is the version of the package', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string }
    const built = services.filter(([, { build }]) => build !== undefined).map(([, { image }]) => image)
    expect(new Set(built)).toEqual(new Set([`quantapilot:${version}`]))
  })

  test('whoever goes on says whether it is well: the image brings its own way', () => {
    const probes = Object.fromEntries(services.map(([name, { healthcheck }]) => [name, healthcheck]))
    expect(probes).toEqual({
      db: { test: ['CMD', 'pg_isready', '--username=qp', '--dbname=quantapilot'] },
      migrate: { disable: true },
      bot: undefined,
      worker: undefined,
      cron: undefined,
    })
  })

  test.each(services.filter(([name]) => name !== 'db'))('%s is told nothing that it does not know', (_, made) => {
    expect(Object.keys(made.environment).filter((name) => !environmentNames.includes(name))).toEqual([])
  })

  test('nothing works before the schema is up to date, and db needs nobody', () => {
    for (const name of ['bot', 'worker', 'cron']) {
      expect(compose.services[name]?.depends_on).toMatchObject({
        db: { condition: 'service_healthy' },
        migrate: { condition: 'service_completed_successfully' },
      })
    }
    expect(compose.services['db']?.depends_on).toEqual({})
  })

  test('every volume that is used has a name, and every name is used', () => {
    const used = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
    const named = new Set(used.filter((source) => !source.startsWith('.')))
    expect([...named].toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
  })
})

describe('Dockerfile', () => {
  const text = textOf('Dockerfile')

  test('builds as the package does, from exact versions, and leaves what builds behind', () => {
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map((match) => match[1])
    expect(images.length).toBeGreaterThan(1)
    expect(images.filter((image) => !/^node:22\.\d+\.\d+-slim$/.test(image ?? ''))).toEqual([])
    const last = text.slice(text.lastIndexOf('\nFROM '))
    expect(text).toContain('RUN npm ci --omit=dev')
    expect(text).toContain('RUN npm run build')
    expect(last).not.toMatch(/npm (ci|run|i)\b/)
    expect(last).not.toMatch(/^COPY (?!--from)\. /m)
  })

  test('runs as nobody special, and says whether it is well', () => {
    expect([...text.matchAll(/^USER (.+)$/gm)].map((match) => match[1])).toEqual(['node'])
    expect(text.indexOf('\nUSER node')).toBeLessThan(text.indexOf('\nENTRYPOINT'))
    expect(text).toMatch(/HEALTHCHECK .*\\\n +CMD \["node", .*127\.0\.0\.1:9464\/healthz/)
    const set = /^ENV (.+)$/m.exec(text)?.[1] ?? ''
    const names = [...set.matchAll(/(\w+)=/g)].map((match) => match[1] ?? '')
    expect(names.filter((name) => name !== 'NODE_ENV' && !environmentNames.includes(name))).toEqual([])
  })

  test('takes in nothing that is secret, and everything that the program is made of', () => {
    const ignored = textOf('.dockerignore').split('\n')
    expect(ignored.find((line) => line !== '' && !line.startsWith('#'))).toBe('**')
    expect(ignored).toContain('**/.env*')
    const sources = ['adapters', 'bot', 'core', 'cron', 'main', 'pipelines', 'migrations', 'bin', 'scripts']
    expect(sources.filter((folder) => !ignored.includes(`!${folder}/**`))).toEqual([])
    expect(ignored.filter((line) => /secrets|test\/|\.git\b|quantapilot/.test(line) && line.startsWith('!'))).toEqual(
      [],
    )
  })
})

describe('.env.example', () => {
  const lines = textOf('.env.example').split('\n')
  const named = lines.flatMap((line) => /^#([A-Z][A-Z0-9_]*)=/.exec(line)?.[1] ?? [])

  test('names everything that can be set, once, and nothing else', () => {
    expect(named.toSorted()).toEqual(environmentNames.toSorted())
  })

  test('says of each what it is, and sets nothing by itself', () => {
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([])
    for (const name of named.filter((name) => !name.endsWith('_FILE'))) {
      expect(lines[lines.indexOf(lines.find((line) => line.startsWith(`#${name}=`)) ?? '') - 1], name).toMatch(
        /^# .+\.$/,
      )
    }
  })

  // What has no default is shown by an example.
  const examples = [
    'QP_HTTP_PORT',
    'QP_OPS_PORT',
    'QP_ALLOWED_HOSTS',
    'QP_WEBHOOK_HOSTS',
    'QP_PACKAGE_HOSTS',
    'QP_GIT_CA_FILE',
    'QP_POLICY_FILE',
    'QP_PUBLIC_URL',
    'QP_SECRET',
    'QP_SECRET_FILE',
    'QP_AGENT',
    'QP_AGENTS_DIR',
    'QP_AGENT_COMMAND',
    'QP_CURSOR_TURN_USD',
    'QP_MODEL',
    'QP_MODEL_BASE_URL',
    'QP_MODEL_API_KEY',
    'QP_MODEL_API_KEY_FILE',
    'QP_MODEL_PRICES',
  ]

  test('what it shows as a default is the default', () => {
    const shown = Object.fromEntries(
      lines.flatMap((line) => {
        const [, name = '', value = ''] = /^#(QP_[A-Z_]+)=(.*)$/.exec(line) ?? []
        return name === '' || examples.includes(name) ? [] : [[name, value]]
      }),
    )
    const strip = (result: ReturnType<typeof loadConfig>) =>
      result.ok ? { ...result.value, childEnvironment: {} } : result.refusal.message
    expect(strip(loadConfig(shown))).toEqual(strip(loadConfig({})))
  })
})
