import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { httpEnvironment } from './bot/http/environment.ts'
import { nearest } from './core/model/nearest.ts'
import { accepted, type Result, refused } from './core/model/problem.ts'

/** Everything the environment may set, read once at the start. */
export type Config = {
  /** Null: the embedded database below `stateDir`. */
  readonly databaseUrl: string | null
  /** As it was given; relative to the folder the program was started in. */
  readonly stateDir: string
  /** Hosts that repositories may be fetched from; null: any public host. */
  readonly allowedHosts: readonly string[] | null
  readonly allowFileUrls: boolean
  readonly leaseMs: number
  readonly beatMs: number
  readonly reapMs: number
  readonly pollMs: number
  /** Runs that one worker holds at once. */
  readonly concurrency: number
  /** Runs of one person that run at once, over all workers. */
  readonly actorConcurrency: number
  /** Which part of the program this process is, where the command line does not say. */
  readonly role: Role
  /** Days that a finished run is kept at most, whatever its project asks for. */
  readonly retentionDays: number
  /** Where HTTP is served; null: nowhere. */
  readonly http: Http | null
  readonly logLevel: 'info' | 'warn' | 'error'
  /** Null: where the output is a terminal. */
  readonly colour: boolean | null
  /** Columns to fill where the terminal does not say; null: not set. */
  readonly columns: number | null
  /** Where programs are looked for. */
  readonly path: string
  readonly sshAuthSock: string | null
  /** What a second process of this program needs to come to the same configuration. */
  readonly childEnvironment: Readonly<Record<string, string>>
}

/** The public port and the operator's; 0 takes any free one. */
export type Http = {
  readonly host: string
  readonly port: number
  readonly opsHost: string
  readonly opsPort: number
  /** Runs that one key may start in an hour. */
  readonly runsPerHour: number
}

/** Parts of the program that may run as processes of their own; `migrate` ends when the schema is up to date. */
export const roles = ['all', 'bot', 'worker', 'cron', 'migrate'] as const

export type Role = (typeof roles)[number]

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment of this process. Nothing else in the program looks at it. */
export const readProcessEnvironment = (): Environment => process.env

/**
 * The configuration that an environment asks for, with the product's defaults. An empty value counts as none. Refuses
 * with one sentence for each variable that is wrong or unknown. `readText` opens the files that `…_FILE` names.
 */
export function loadConfig(environment: Environment, readText = readTextFile): Result<Config> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const { values, problems } = withSecretFiles(given, readText)
  const parsed = Variables.safeParse(values)
  problems.push(...unknownVariables(given), ...(parsed.error?.issues.map((issue) => issue.message) ?? []))
  if (!parsed.success || problems.length > 0) {
    return refused('invalid_input', problems.join('\n'), 'Correct the environment and start again.')
  }
  return accepted(configOf(parsed.data, given))
}

const readTextFile = (path: string): string => readFileSync(path, 'utf8')

const whole = (name: string, unit: string, least: number, most: number, fallback: number) => {
  const range = `${name} must be a whole number of ${unit} from ${least} to ${most}.`
  return z
    .string()
    .regex(/^\d{1,9}$/, range)
    .transform(Number)
    .refine((value) => value >= least && value <= most, range)
    .default(fallback)
}

const yesOrNo = (name: string) =>
  z
    .enum(['1', 'true', 'yes', '0', 'false', 'no'], `${name} must be yes or no.`)
    .transform((value) => ['1', 'true', 'yes'].includes(value))
    .default(false)

const hosts = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((host) => host !== ''))
  .refine(
    (list) => list.length > 0 && list.every((host) => /^[a-z0-9.:-]+$/i.test(host)),
    'QP_ALLOWED_HOSTS must be host names with commas between, such as github.com,git.example.org.',
  )

const Variables = z
  .object({
    DATABASE_URL: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'DATABASE_URL must begin with postgresql://, such as postgresql://user@host/name.')
      .optional(),
    QP_STATE_DIR: z.string().default('.quantapilot'),
    QP_ALLOWED_HOSTS: hosts.optional(),
    QP_ALLOW_FILE_URLS: yesOrNo('QP_ALLOW_FILE_URLS'),
    QP_LEASE_MS: whole('QP_LEASE_MS', 'milliseconds', 500, 3_600_000, 30_000),
    QP_BEAT_MS: whole('QP_BEAT_MS', 'milliseconds', 100, 600_000, 10_000),
    QP_REAP_MS: whole('QP_REAP_MS', 'milliseconds', 100, 600_000, 5_000),
    QP_POLL_MS: whole('QP_POLL_MS', 'milliseconds', 10, 60_000, 1_000),
    QP_CONCURRENCY: whole('QP_CONCURRENCY', 'runs', 1, 10_000, 64),
    QP_ACTOR_CONCURRENCY: whole('QP_ACTOR_CONCURRENCY', 'runs', 1, 10_000, 8),
    QP_ROLE: z.enum(roles, 'QP_ROLE must be all, bot, worker, cron or migrate.').default('all'),
    QP_RETENTION_DAYS: whole('QP_RETENTION_DAYS', 'days', 1, 36_500, 36_500),
    ...httpEnvironment,
    QP_LOG_LEVEL: z.enum(['info', 'warn', 'error'], 'QP_LOG_LEVEL must be info, warn or error.').default('warn'),
    // Other programs' variables: never an error, whatever they hold.
    NO_COLOR: z.string().optional(),
    FORCE_COLOR: z.string().optional(),
    TERM: z.string().optional(),
    COLUMNS: z.string().optional(),
    PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
    SSH_AUTH_SOCK: z.string().optional(),
  })
  .refine((values) => values.QP_BEAT_MS * 2 < values.QP_LEASE_MS, {
    error: 'QP_BEAT_MS must be less than half of QP_LEASE_MS, so that one late heartbeat loses no lease.',
    when: ({ issues }) => issues.length === 0,
  })

const secrets = ['DATABASE_URL'] as const

const ours = Object.keys(Variables.shape).filter((name) => name.startsWith('QP_'))

type Given = Readonly<Record<string, string | undefined>>

/** Takes each secret from the file that `<name>_FILE` names, as containers hand them in. */
function withSecretFiles(given: Given, readText: (path: string) => string): { values: Given; problems: string[] } {
  const values: Record<string, string | undefined> = { ...given }
  const problems: string[] = []
  for (const name of secrets) {
    const path = given[`${name}_FILE`]
    if (path === undefined) continue
    if (given[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set: keep one.`)
    else {
      try {
        values[name] = readText(path).trim()
      } catch (error) {
        problems.push(
          `${name}_FILE names ${path}, which cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
        )
      }
    }
  }
  return { values, problems }
}

function unknownVariables(given: Given): string[] {
  const unknown = Object.keys(given).filter((name) => name.startsWith('QP_') && !ours.includes(name))
  return unknown.map((name) => {
    const meant = nearest(name, ours)
    return `${name} is not a setting${meant === null ? `: there are ${ours.join(', ')}` : `: did you mean ${meant}?`}`
  })
}

function configOf(values: z.infer<typeof Variables>, given: Given): Config {
  return {
    databaseUrl: values.DATABASE_URL ?? null,
    stateDir: values.QP_STATE_DIR,
    allowedHosts: values.QP_ALLOWED_HOSTS ?? null,
    allowFileUrls: values.QP_ALLOW_FILE_URLS,
    leaseMs: values.QP_LEASE_MS,
    beatMs: values.QP_BEAT_MS,
    reapMs: values.QP_REAP_MS,
    pollMs: values.QP_POLL_MS,
    concurrency: values.QP_CONCURRENCY,
    actorConcurrency: values.QP_ACTOR_CONCURRENCY,
    role: values.QP_ROLE,
    retentionDays: values.QP_RETENTION_DAYS,
    http: httpOf(values),
    logLevel: values.QP_LOG_LEVEL,
    colour: colourOf(values),
    columns: /^[1-9]\d{0,3}$/.test(values.COLUMNS ?? '') ? Number(values.COLUMNS) : null,
    path: values.PATH,
    sshAuthSock: values.SSH_AUTH_SOCK ?? null,
    childEnvironment: childEnvironmentOf(given),
  }
}

function httpOf(values: z.infer<typeof Variables>): Http | null {
  const { QP_HTTP_PORT: port, QP_HTTP_HOST: host, QP_OPS_PORT: opsPort, QP_OPS_HOST: opsHost } = values
  return port === undefined ? null : { host, port, opsHost, opsPort, runsPerHour: values.QP_HTTP_RUNS_PER_HOUR }
}

/** NO_COLOR wins, https://no-color.org; FORCE_COLOR=0 is another way to say it. */
function colourOf({ NO_COLOR, FORCE_COLOR, TERM }: z.infer<typeof Variables>): boolean | null {
  if (NO_COLOR !== undefined || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false
  if (FORCE_COLOR !== undefined) return true
  return TERM === 'dumb' ? false : null
}

function childEnvironmentOf(given: Given): Record<string, string> {
  const handedDown = [...Object.keys(Variables.shape), ...secrets.map((name) => `${name}_FILE`), 'HOME']
  const result: Record<string, string> = {}
  for (const name of handedDown) {
    const value = given[name]
    if (value !== undefined) result[name] = value
  }
  return result
}
