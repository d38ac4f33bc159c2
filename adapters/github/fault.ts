import { Fault, type FaultCode } from '../../core/model/problem.ts'
import { z } from 'zod'

/** What was asked, for the sentence that says why it failed. */
export type Asked = {
  /** `owner/name`, or GitHub itself. */
  readonly of: string
  /** How we were known when we asked. */
  readonly as: 'token' | 'app' | 'installation'
  /** What the call needs, as GitHub's settings name it: `Pull requests: write`. */
  readonly needs: string
}

/** GitHub's answer to a call that failed; `status` 0 when there was none. */
export type Failure = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** GitHub's own words. */
  readonly words: string
}

const body = z.object({
  message: z.string().catch(''),
  errors: z
    .array(z.union([z.string(), z.object({ message: z.string() }).transform((error) => error.message)]))
    .catch([]),
})

const requestError = z.object({
  name: z.literal('HttpError'),
  status: z.number(),
  message: z.string(),
  response: z
    .object({
      status: z.number(),
      headers: z.record(z.string(), z.union([z.string(), z.number()]).transform(String).optional()),
      data: z.unknown(),
    })
    .optional(),
})

/** Reads what octokit threw; null for what is not about an answer or the network. */
export function failureOf(error: unknown): Failure | null {
  const read = requestError.safeParse(error)
  if (!read.success) return null
  const { response, message } = read.data
  if (response === undefined) return { status: 0, headers: {}, words: harmless(message) }
  const said = body.safeParse(response.data)
  const words = said.success ? [said.data.message, ...said.data.errors].filter(Boolean).join(': ') : ''
  return { status: response.status, headers: response.headers, words: harmless(words) }
}

const harmless = (words: string): string =>
  words
    .replace(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim()
    .slice(0, 300)

type Reading = {
  readonly when: (failure: Failure, asked: Asked) => boolean
  readonly code: FaultCode
  readonly retryable: boolean
  readonly says: (failure: Failure, asked: Asked) => string
}

const status =
  (...wanted: readonly number[]) =>
  ({ status }: Failure): boolean =>
    wanted.includes(status)

const wrongKey =
  'GitHub does not know the App by GITHUB_APP_ID and GITHUB_PRIVATE_KEY: take both from the page of the App.'
const wrongToken =
  'GitHub does not accept GITHUB_TOKEN: it is mistyped, expired or revoked. Make a new one (docs/github.md) and start again.'

/** The first that fits counts. */
const readings: readonly Reading[] = [
  {
    when: isLimit,
    code: 'RATE_LIMIT',
    retryable: true,
    says: () => 'GitHub asks us to slow down: the run goes on when it lets us.',
  },
  {
    when: ({ status, words }, { as }) => status === 401 && as === 'app' && /'(?:exp|iat)'/.test(words),
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: ({ headers }) =>
      `The clock of this machine is off${skewOf(headers['date'])}, so GitHub refuses what it signs: set it by NTP, then /retry.`,
  },
  {
    when: (failure, { as }) => status(401)(failure) && as === 'app',
    code: 'FATAL',
    retryable: false,
    says: () => wrongKey,
  },
  {
    when: (failure, { as }) => status(401)(failure) && as === 'token',
    code: 'FATAL',
    retryable: false,
    says: () => wrongToken,
  },
  {
    // It was ours a moment ago: an admin may have changed what the App may do, which makes GitHub revoke it.
    when: status(401),
    code: 'TOOL_FAILURE',
    retryable: true,
    says: () => 'GitHub no longer accepts the token it gave the App: the next try asks for another.',
  },
  {
    when: ({ status, headers }) => status === 403 && headers['x-github-sso'] !== undefined,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (_, { of }) =>
      `The organisation of ${of} wants GITHUB_TOKEN allowed for its single sign-on: do that at Settings, Developer settings, then /retry.`,
  },
  {
    when: ({ status, words }) => status === 403 && /suspended/i.test(words),
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (_, { of }) =>
      `The installation of the GitHub App on ${of} is suspended: lift that in its settings, then /retry.`,
  },
  {
    when: status(403),
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (_, { of, as, needs }) =>
      `${as === 'token' ? 'GITHUB_TOKEN' : 'The GitHub App'} may not do this in ${of}: give it ${needs}, then /retry.`,
  },
  {
    when: status(404),
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (_, { of, as }) =>
      `GitHub has no ${of}, or ${as === 'token' ? 'GITHUB_TOKEN' : 'the GitHub App'} may not see it: check the address and the access.`,
  },
  {
    // https://docs.github.com/rest/issues/issues#create-an-issue
    when: status(410),
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (_, { of }) => `${of} takes no issues: switch them on in its settings (General, Features).`,
  },
  {
    when: ({ status }) => status >= 300 && status < 400,
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (_, { of }) => `${of} has moved: open it in a browser and give the new address.`,
  },
  {
    when: ({ status }) => status === 0 || status >= 500,
    code: 'TRANSIENT_NETWORK',
    retryable: true,
    says: () => 'GitHub could not be reached or failed.',
  },
  {
    when: status(405, 409, 451),
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (_, { of }) => `GitHub refuses this in ${of} as it stands.`,
  },
]

/** For anything else. */
const refusal: Omit<Reading, 'when'> = {
  code: 'VALIDATION_ERROR',
  retryable: false,
  says: (_, { of }) => `GitHub refuses this for ${of}.`,
}

/** What a failed call means for the operator, with GitHub's own words and no secret in it. */
export function faultOf(failure: Failure, asked: Asked, now: number, cause: unknown): Fault {
  const { code, retryable, says } = readings.find(({ when }) => when(failure, asked)) ?? refusal
  const words = failure.words === '' ? '' : ` (GitHub: ${failure.words})`
  const retryAfterMs = limitMs(failure, now)
  return new Fault({
    code,
    message: says(failure, asked) + words,
    retryable,
    cause,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  })
}

/** GitHub's least wait after a secondary limit that names none, https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api. */
const unnamedMs = 60_000

/** How long to leave GitHub alone, from its headers; null when it did not ask for that. */
export function limitMs(failure: Failure, now: number): number | null {
  const seconds = Number(failure.headers['retry-after'])
  if (!isLimit(failure)) return failure.status === 503 && seconds > 0 ? seconds * 1_000 : null
  if (seconds > 0) return seconds * 1_000
  const reset = Number(failure.headers['x-ratelimit-reset']) * 1_000
  const isPrimary = failure.headers['x-ratelimit-remaining'] === '0' && Number.isFinite(reset)
  // Measured on GitHub's own clock, which may differ from ours; one second later, as the window ends within it.
  const here = Date.parse(failure.headers['date'] ?? '') || now
  return isPrimary ? Math.max(reset - here, 0) + 1_000 : unnamedMs
}

function isLimit({ status, headers, words }: Failure): boolean {
  if (status === 429) return true
  if (status !== 403) return false
  return (
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /secondary rate|rate limit exceeded|abuse detection/i.test(words)
  )
}

function skewOf(theirs: string | undefined): string {
  const at = Date.parse(theirs ?? '')
  if (Number.isNaN(at)) return ''
  const seconds = Math.round((Date.now() - at) / 1_000)
  return ` by ${Math.abs(seconds)} s (${seconds > 0 ? 'ahead' : 'behind'})`
}
