import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { readSlackSettings, type SlackSettings, slackVariables } from './bot/slack/environment.ts'
import type { TelegramSettings } from './bot/telegram/environment.ts'
import { telegramSettings, telegramVariables } from './bot/telegram/environment.ts'
import { type AgentSettings, agentVariables, readAgent } from './adapters/agent/environment.ts'
import { moneyOf, moneyVariables } from './core/engine/money.ts'
import type { MoneySettings } from './core/engine/settings.ts'
import { type ModelSource, modelVariables, readModels } from './adapters/ai/environment.ts'
import { type CursorSettings, cursorVariables, readCursor } from './adapters/cursor/environment.ts'
import { type PackageHost, packageVariables } from './adapters/package-proxy/environment.ts'
import { type GitHubSettings, gitHubSettings, gitHubVariables } from './adapters/github/environment.ts'
import type { MailSettings } from './bot/mail/settings.ts'
import { mailEnvironment, mailSettings } from './bot/mail/settings.ts'
import { httpEnvironment } from './bot/http/environment.ts'
import { nearest } from './core/model/nearest.ts'
import { secretsAmong } from './core/model/redact.ts'
import { accepted, type Result, refused } from './core/model/problem.ts'
import type { ServerPolicy } from './pipelines/factory/settings/settings.ts'
import { parseCeiling, sayFindings } from './pipelines/factory/settings/settings.ts'

/** Everything the environment may set, read once at the start. */
export type Config = {
  /** Null: the embedded database below `stateDir`. */
  readonly databaseUrl: string | null
  /** As it was given; relative to the folder the program was started in. */
  readonly stateDir: string
  /** The folder of the keys of personal data, as it was given; null: `keys` below `stateDir`. */
  readonly keysDir: string | null
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
  /** Null: no bot on Telegram. */
  readonly telegram: TelegramSettings | null
  /** Where HTTP is served; null: nowhere. */
  readonly http: Http | null
  /** Where a process that serves no API has its probes and figures; null: nowhere. */
  readonly ops: Ops | null
  readonly logLevel: 'info' | 'warn' | 'error'
  /** Null: where the output is a terminal. */
  readonly colour: boolean | null
  /** Columns to fill where the terminal does not say; null: not set. */
  readonly columns: number | null
  /** Where programs are looked for. */
  readonly path: string
  readonly sshAuthSock: string | null
  /** Null: Slack is off. */
  readonly slack: SlackSettings | null
  /** PEM file of the authorities git trusts instead of the system's; null: the system's. */
  readonly gitCaFile: string | null
  /** Null: branches are all that is made on a GitHub repository. */
  readonly github: GitHubSettings | null
  /** Who writes documents, the first one first; empty: the built-in author. */
  readonly models: readonly ModelSource[]
  /** Who writes code; null: runs end after the documents. */
  readonly agent: AgentSettings | null
  /** Cursor's own account and price, where its agent is the one; null where the models of `models` are asked. */
  readonly cursor: CursorSettings | null
  /** Whether a model judges what an agent wrote, by the milestone's criteria. */
  readonly reviews: boolean
  /** Where the packages of projects may come from; empty: nowhere. */
  readonly packageHosts: readonly PackageHost[]
  /** The most that may be spent above the runs. */
  readonly money: MoneySettings
  /** Whether questions to models and their answers are kept for as long as their run, or their digests alone. */
  readonly keepsModelTexts: boolean
  /** What no text of ours may show: every secret of this configuration. */
  readonly secretValues: readonly string[]
  /** The address people reach this server under; null: it has none. */
  readonly publicUrl: string | null
  /** Null: no mail is sent. */
  readonly mail: MailSettings | null
  /** Hosts that webhooks may go to, private ones included; null: any public host. */
  readonly webhookHosts: readonly string[] | null
  /** What the signing secrets of webhooks are derived from; null: a file beside the keys. */
  readonly secret: string | null
  /** The most that any project may ask for; null: projects decide for themselves. */
  readonly serverPolicy: ServerPolicy | null
  /** What a second process of this program needs to come to the same configuration. */
  readonly childEnvironment: Readonly<Record<string, string>>
}

/** An address of this machine. */
export type Ops = { readonly host: string; readonly port: number }

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
  const policy = readServerPolicy(given['QP_POLICY_FILE'], readText)
  problems.push(...policy.problems)
  const github = parsed.success ? gitHubSettings(parsed.data) : { settings: null, problem: null }
  if (github.problem !== null) problems.push(github.problem)
  if (!parsed.success || problems.length > 0) {
    return refused('invalid_input', problems.join('\n'), 'Correct the environment and start again.')
  }
  const slack = readSlackSettings(parsed.data)
  if (!slack.ok) return slack
  const models = readModels(parsed.data)
  if (!models.ok) return models
  const agent = readAgent(parsed.data, models.value.length > 0)
  if (!agent.ok) return agent
  const cursor = readCursor(parsed.data)
  if (!cursor.ok) return cursor
  const { serverPolicy } = policy
  const written = { models: models.value, agent: agent.value, cursor: cursor.value }
  const vendors = { slack: slack.value, github: github.settings, ...written }
  return accepted({ ...configOf(parsed.data, given), ...vendors, serverPolicy })
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

const yesOrNo = (name: string, fallback: boolean) =>
  z
    .enum(['1', 'true', 'yes', '0', 'false', 'no'], `${name} must be yes or no.`)
    .transform((value) => ['1', 'true', 'yes'].includes(value))
    .default(fallback)

const hosts = (name: string, such: string) =>
  z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((host) => host !== ''))
    .refine(
      (list) => list.length > 0 && list.every((host) => /^[a-z0-9.:-]+$/i.test(host)),
      `${name} must be host names with commas between, such as ${such}.`,
    )

const Variables = z
  .object({
    DATABASE_URL: z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'DATABASE_URL must begin with postgresql://, such as postgresql://user@host/name.')
      .optional(),
    QP_STATE_DIR: z.string().default('.quantapilot'),
    QP_KEYS_DIR: z.string().optional(),
    QP_ALLOWED_HOSTS: hosts('QP_ALLOWED_HOSTS', 'github.com,git.example.org').optional(),
    QP_WEBHOOK_HOSTS: hosts('QP_WEBHOOK_HOSTS', 'hooks.example.org,ci.internal').optional(),
    QP_SECRET: z.string().min(32, 'QP_SECRET must be at least 32 characters that nobody can guess.').optional(),
    ...mailEnvironment,
    QP_ALLOW_FILE_URLS: yesOrNo('QP_ALLOW_FILE_URLS', false),
    QP_GIT_CA_FILE: z
      .string()
      .startsWith('/', 'QP_GIT_CA_FILE must be the whole path of a PEM file, such as /etc/ssl/company.pem.')
      .optional(),
    QP_LEASE_MS: whole('QP_LEASE_MS', 'milliseconds', 500, 3_600_000, 30_000),
    QP_BEAT_MS: whole('QP_BEAT_MS', 'milliseconds', 100, 600_000, 10_000),
    QP_REAP_MS: whole('QP_REAP_MS', 'milliseconds', 100, 600_000, 5_000),
    QP_POLL_MS: whole('QP_POLL_MS', 'milliseconds', 10, 60_000, 1_000),
    QP_CONCURRENCY: whole('QP_CONCURRENCY', 'runs', 1, 10_000, 64),
    QP_ACTOR_CONCURRENCY: whole('QP_ACTOR_CONCURRENCY', 'runs', 1, 10_000, 8),
    QP_ROLE: z.enum(roles, 'QP_ROLE must be all, bot, worker, cron or migrate.').default('all'),
    QP_POLICY_FILE: z.string().optional(),
    ...moneyVariables,
    QP_RETENTION_DAYS: whole('QP_RETENTION_DAYS', 'days', 1, 36_500, 36_500),
    ...httpEnvironment,
    QP_LOG_LEVEL: z.enum(['info', 'warn', 'error'], 'QP_LOG_LEVEL must be info, warn or error.').default('warn'),
    ...telegramVariables,
    // Other programs' variables: never an error, whatever they hold.
    NO_COLOR: z.string().optional(),
    FORCE_COLOR: z.string().optional(),
    TERM: z.string().optional(),
    COLUMNS: z.string().optional(),
    PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
    SSH_AUTH_SOCK: z.string().optional(),
    ...slackVariables,
    ...gitHubVariables,
    ...modelVariables,
    QP_MODEL_TEXTS: z.enum(['keep', 'none'], 'QP_MODEL_TEXTS must be keep or none.').default('keep'),
    ...agentVariables,
    ...cursorVariables,
    QP_REVIEW: yesOrNo('QP_REVIEW', true),
    ...packageVariables,
  })
  .refine((values) => values.QP_BEAT_MS * 2 < values.QP_LEASE_MS, {
    error: 'QP_BEAT_MS must be less than half of QP_LEASE_MS, so that one late heartbeat loses no lease.',
    when: ({ issues }) => issues.length === 0,
  })
  .refine((values) => (values.SMTP_URL === undefined) === (values.SMTP_FROM === undefined), {
    error: 'SMTP_URL and SMTP_FROM belong together: set both, or neither.',
    when: ({ issues }) => issues.length === 0,
  })

/** Each of these may come from a file instead, which `<name>_FILE` names, as containers hand secrets in. */
const secrets = Object.keys(Variables.shape).filter((name) =>
  /^(DATABASE_URL$|QP_SECRET$|TELEGRAM_|SLACK_|GITHUB_|SMTP_|OPENAI_|ANTHROPIC_|GOOGLE_|QP_MODEL_API_KEY$|CURSOR_API_KEY$)/.test(
    name,
  ),
)

const ours = [...Object.keys(Variables.shape), 'QP_SECRET_FILE', 'QP_MODEL_API_KEY_FILE'].filter((name) =>
  name.startsWith('QP_'),
)

/** Names that are other programs' and that we only heed. */
const heeded = ['NO_COLOR', 'FORCE_COLOR', 'TERM', 'COLUMNS', 'PATH', 'SSH_AUTH_SOCK']

/** Every variable that an operator may set for us, a secret with the name of its file behind it. */
export const environmentNames: readonly string[] = Object.keys(Variables.shape)
  .filter((name) => !heeded.includes(name))
  .flatMap((name) => (secrets.includes(name) ? [name, `${name}_FILE`] : [name]))

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
        problems.push(`${name}_FILE names ${path}, which cannot be read: ${sayError(error)}.`)
      }
    }
  }
  return { values, problems }
}

/** The operator's own policy file, read once: whoever changes it starts the process again. */
function readServerPolicy(
  path: string | undefined,
  readText: (path: string) => string,
): { serverPolicy: ServerPolicy | null; problems: readonly string[] } {
  if (path === undefined) return { serverPolicy: null, problems: [] }
  const refusal = (...problems: readonly string[]) => ({ serverPolicy: null, problems })
  let text: string
  try {
    text = readText(path)
  } catch (error) {
    return refusal(`QP_POLICY_FILE names ${path}, which cannot be read: ${sayError(error)}.`)
  }
  const parsed = parseCeiling(text, path)
  if (!parsed.ok) return refusal(`QP_POLICY_FILE is not valid:`, ...sayFindings(parsed.findings))
  return { serverPolicy: { path, text, ceiling: parsed.ceiling }, problems: [] }
}

const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function unknownVariables(given: Given): string[] {
  const unknown = Object.keys(given).filter((name) => name.startsWith('QP_') && !ours.includes(name))
  return unknown.map((name) => {
    const meant = nearest(name, ours)
    return `${name} is not a setting${meant === null ? `: there are ${ours.join(', ')}` : `: did you mean ${meant}?`}`
  })
}

function configOf(
  values: z.infer<typeof Variables>,
  given: Given,
): Omit<Config, 'slack' | 'github' | 'models' | 'agent' | 'cursor' | 'serverPolicy'> {
  return {
    databaseUrl: values.DATABASE_URL ?? null,
    stateDir: values.QP_STATE_DIR,
    keysDir: values.QP_KEYS_DIR ?? null,
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
    telegram: telegramSettings(values),
    publicUrl: values.QP_PUBLIC_URL ?? null,
    http: httpOf(values),
    ops: opsOf(values),
    logLevel: values.QP_LOG_LEVEL,
    colour: colourOf(values),
    columns: /^[1-9]\d{0,3}$/.test(values.COLUMNS ?? '') ? Number(values.COLUMNS) : null,
    path: values.PATH,
    sshAuthSock: values.SSH_AUTH_SOCK ?? null,
    gitCaFile: values.QP_GIT_CA_FILE ?? null,
    mail: mailSettings(values),
    webhookHosts: values.QP_WEBHOOK_HOSTS ?? null,
    secret: values.QP_SECRET ?? null,
    packageHosts: values.QP_PACKAGE_HOSTS ?? [],
    childEnvironment: childEnvironmentOf(given),
    money: moneyOf(values),
    keepsModelTexts: values.QP_MODEL_TEXTS === 'keep',
    secretValues: secretsAmong(Object.entries(values).filter(([name]) => secrets.includes(name))),
    reviews: values.QP_REVIEW,
  }
}

function httpOf(values: z.infer<typeof Variables>): Http | null {
  const { QP_HTTP_PORT: port, QP_HTTP_HOST: host, QP_OPS_PORT: opsPort = 9464, QP_OPS_HOST: opsHost } = values
  return port === undefined ? null : { host, port, opsHost, opsPort, runsPerHour: values.QP_HTTP_RUNS_PER_HOUR }
}

function opsOf({ QP_OPS_PORT: port, QP_OPS_HOST: host }: z.infer<typeof Variables>): Ops | null {
  return port === undefined ? null : { host, port }
}

/** NO_COLOR wins, https://no-color.org; FORCE_COLOR=0 is another way to say it. */
function colourOf({ NO_COLOR, FORCE_COLOR, TERM }: z.infer<typeof Variables>): boolean | null {
  if (NO_COLOR !== undefined || FORCE_COLOR === '0' || FORCE_COLOR === 'false') return false
  if (FORCE_COLOR !== undefined) return true
  return TERM === 'dumb' ? false : null
}

function childEnvironmentOf(given: Given): Record<string, string> {
  const handedDown = [...Object.keys(Variables.shape), ...secrets.map((name) => `${name}_FILE`), 'HOME'].filter(
    // A process for one run speaks to nobody.
    (name) => !/^(SLACK|TELEGRAM|SMTP)_/.test(name),
  )
  const result: Record<string, string> = {}
  for (const name of handedDown) {
    const value = given[name]
    if (value !== undefined) result[name] = value
  }
  return result
}
