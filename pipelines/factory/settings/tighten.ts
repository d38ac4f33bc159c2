import type { Ceiling, Settings } from './shape.ts'

/** Settings that hold, and a sentence for each wish of the file that the server does not grant. */
export type Tightened = { readonly settings: Settings; readonly clamped: readonly string[] }

type Policies = Settings['policies']
type GateRule = Policies['gates'][string]
type Refuse = (sentence: string) => void

/**
 * The file under the server's ceiling, which it can only tighten: limits are the lower of the two, what the server demands stays
 * demanded, paths must pass both. What the file leaves out is the server's. Stack, models, merge method and reminders are
 * choices and no limits, so the file's own hold. Nobody may decide, now or later, whom the server does not let decide.
 */
export function tightenedBy(ceiling: Ceiling, settings: Settings): Tightened {
  const clamped: string[] = []
  const refuse: Refuse = (sentence) => void clamped.push(sentence)
  const budgets = {
    tokens: lower(refuse, 'budgets.tokens', ceiling.budgets?.tokens, settings.budgets?.tokens),
    usd: lower(refuse, 'budgets.usd', ceiling.budgets?.usd, settings.budgets?.usd),
  }
  const gates = {
    docs_lint: demanded(refuse, 'gates.docs_lint', ceiling.gates?.docs_lint, settings.gates?.docs_lint),
    tests_required: demanded(
      refuse,
      'gates.tests_required',
      ceiling.gates?.tests_required,
      settings.gates?.tests_required,
    ),
  }
  return {
    settings: {
      ...ceiling,
      ...settings,
      models: modelsOf(refuse, ceiling.models ?? {}, settings.models ?? {}),
      budgets,
      steps: stepsOf(refuse, ceiling, settings),
      gates,
      limits: limitsOf(refuse, ceiling.limits ?? {}, settings.limits ?? {}),
      policies: policiesOf(refuse, ceiling.policies, settings.policies),
    },
    clamped,
  }
}

function lower(refuse: Refuse, key: string, most: number | undefined, asked: number | undefined): number | undefined {
  if (most === undefined || asked === undefined) return asked ?? most
  if (asked > most)
    refuse(`${key}: the file asks for ${amountOf(asked)} and the server allows ${most}, so ${most} holds.`)
  return Math.min(most, asked)
}

const amountOf = (asked: number): string => (asked === Number.POSITIVE_INFINITY ? 'no limit' : String(asked))

function demanded(
  refuse: Refuse,
  key: string,
  wanted: boolean | undefined,
  asked: boolean | undefined,
): boolean | undefined {
  if (wanted && asked === false) refuse(`${key}: the file says false and the server demands it, so true holds.`)
  return wanted || (asked ?? wanted)
}

type Models = NonNullable<Settings['models']>

function modelsOf(refuse: Refuse, ceiling: NonNullable<Ceiling['models']>, asked: Models): Models {
  const model = (role: keyof Models): Models[keyof Models] => {
    const own = asked[role]
    const key = `models.${role}.max_output_tokens`
    const most = lower(refuse, key, ceiling[role]?.max_output_tokens, own?.max_output_tokens)
    // The server's cap holds for a role that the file says nothing of, too.
    return own || most !== undefined ? { ...own, max_output_tokens: most } : undefined
  }
  return { arch: model('arch'), dev: model('dev'), qa: model('qa') }
}

type Steps = NonNullable<Settings['steps']>

/** What is said for every step is said for each that is named as well, by either file. */
function stepsOf(refuse: Refuse, ceiling: Ceiling, asked: Pick<Settings, 'steps' | 'limits'>): Steps {
  const names = new Set([...(ceiling.steps ?? []), ...(asked.steps ?? [])].map(({ name }) => name))
  return [...names].map((name) => {
    const [most, own] = [ceiling, asked].map(({ steps }) => steps?.find((step) => step.name === name))
    const least = (key: 'timeout_s' | 'tokens_budget') => lower(refuse, `steps ${name}.${key}`, most?.[key], own?.[key])
    const [mostRetries, ownRetries] = [
      most?.retries ?? ceiling.limits?.max_retries,
      own?.retries ?? asked.limits?.max_retries,
    ]
    return {
      name,
      timeout_s: least('timeout_s'),
      retries: lower(refuse, `steps ${name}.retries`, mostRetries, ownRetries),
      tokens_budget: least('tokens_budget'),
    }
  })
}

type Limits = NonNullable<Settings['limits']>

function limitsOf(refuse: Refuse, ceiling: Limits, asked: Limits): Limits {
  const least = (key: 'tokens_per_run' | 'tokens_per_day' | 'max_retries' | 'costly_prompt_usd') =>
    lower(refuse, `limits.${key}`, ceiling[key], asked[key])
  return {
    tokens_per_run: least('tokens_per_run'),
    tokens_per_day: least('tokens_per_day'),
    time_zone: asked.time_zone ?? ceiling.time_zone,
    costly_prompt_usd: least('costly_prompt_usd'),
    timeout_seconds: shortest(refuse, ceiling.timeout_seconds, asked.timeout_seconds),
    max_retries: least('max_retries'),
  }
}

/** Of two deadlines in seconds, where 0 stands for none. */
function shortest(refuse: Refuse, most: number | undefined, asked: number | undefined): number | undefined {
  const endless = (seconds: number | undefined) => (seconds === 0 ? Number.POSITIVE_INFINITY : seconds)
  const seconds = lower(refuse, 'limits.timeout_seconds', endless(most), endless(asked))
  return seconds === Number.POSITIVE_INFINITY ? 0 : seconds
}

function policiesOf(refuse: Refuse, ceiling: Policies, asked: Policies): Policies {
  const names = new Set([...Object.keys(ceiling.gates), ...Object.keys(asked.gates)])
  return {
    merge: asked.merge ?? ceiling.merge,
    gates: Object.fromEntries(
      [...names].map((name) => [name, gateOf(refuse, name, ceiling.gates[name], asked.gates[name])]),
    ),
    data_retention_days: lower(
      refuse,
      'policies.data_retention_days',
      ceiling.data_retention_days,
      asked.data_retention_days,
    ),
    model_change_requires_gate: demanded(
      refuse,
      'policies.model_change_requires_gate',
      ceiling.model_change_requires_gate,
      asked.model_change_requires_gate,
    ),
    allow_paths: allowedPaths(refuse, ceiling.allow_paths, asked.allow_paths),
    protected_paths: union(ceiling.protected_paths, asked.protected_paths),
  }
}

function gateOf(refuse: Refuse, name: string, ceiling: GateRule | undefined, asked: GateRule | undefined): GateRule {
  const key = `policies.gates.${name}`
  const quorum = Math.max(ceiling?.quorum ?? 1, asked?.quorum ?? 1)
  if (asked?.quorum !== undefined && asked.quorum < quorum)
    refuse(`${key}.quorum: the file asks for ${asked.quorum} and the server for ${quorum}, so ${quorum} holds.`)
  if (ceiling?.selfApproval === false && asked?.selfApproval)
    refuse(`${key}.self_approval: the file says true and the server forbids it, so false holds.`)
  return {
    roles: rolesOf(refuse, `${key}.roles`, ceiling?.roles, asked?.roles),
    quorum,
    selfApproval: ceiling?.selfApproval === false ? false : (asked?.selfApproval ?? ceiling?.selfApproval),
    expiresAfterMs: soonest(refuse, `${key}.expires_after`, ceiling?.expiresAfterMs, asked?.expiresAfterMs),
    remindEveryMs: asked?.remindEveryMs ?? ceiling?.remindEveryMs,
    people: peopleOf(refuse, `${key}.people`, ceiling?.people, asked?.people),
    escalateAfterMs: serversOwn(refuse, `${key}.escalate_after`, ceiling?.escalateAfterMs, asked?.escalateAfterMs),
    escalateTo: escalatedRoles(refuse, `${key}.escalate_to`, ceiling, asked?.escalateTo),
  }
}

/** People that both name; the server's when there is none, because an empty list would mean nobody. */
function peopleOf(
  refuse: Refuse,
  key: string,
  most: GateRule['people'],
  asked: GateRule['people'],
): GateRule['people'] {
  if (!most || !asked) return asked ?? most
  const both = asked.filter((person) => most.includes(person))
  const others = asked.filter((person) => !most.includes(person))
  const left = both.length === 0 ? most : both
  if (others.length > 0)
    refuse(`${key}: the server does not let ${others.join(', ')} decide, so ${left.join(', ')} may.`)
  return left
}

/** Sooner would let more people decide for longer, later would leave them untold: the server's, where it names one. */
function serversOwn(
  refuse: Refuse,
  key: string,
  ownMs: number | undefined,
  askedMs: number | undefined,
): number | undefined {
  if (ownMs === undefined || askedMs === undefined) return askedMs ?? ownMs
  const [own, asked] = [ownMs / 60_000, askedMs / 60_000]
  if (own !== asked) refuse(`${key} in minutes: the file asks for ${asked} and the server for ${own}, so ${own} holds.`)
  return ownMs
}

/** Only roles that the server lets decide, at once or by escalation; named people are not widened to their roles. */
function escalatedRoles(
  refuse: Refuse,
  key: string,
  ceiling: GateRule | undefined,
  asked: GateRule['escalateTo'],
): GateRule['escalateTo'] {
  const own = ceiling?.escalateTo
  const isLimited = ceiling?.roles ?? ceiling?.people ?? own
  if (!asked || !isLimited) return asked ?? own
  const allowed = [...(own ?? []), ...(ceiling?.people ? [] : (ceiling?.roles ?? []))]
  const left = asked.filter((role) => allowed.includes(role))
  const others = asked.filter((role) => !allowed.includes(role))
  const holds = left.length === 0 ? own : left
  if (others.length > 0)
    refuse(`${key}: the server does not let ${others.join(', ')} decide, so ${holds?.join(', ') ?? 'nobody'} may.`)
  return holds
}

function soonest(
  refuse: Refuse,
  key: string,
  mostMs: number | undefined,
  askedMs: number | undefined,
): number | undefined {
  const minutes = (ms: number | undefined) => (ms === undefined ? undefined : ms / 60_000)
  const soonestMinutes = lower(refuse, `${key} in minutes`, minutes(mostMs), minutes(askedMs))
  return soonestMinutes === undefined ? undefined : soonestMinutes * 60_000
}

/** Roles that both name; the server's when there is none, because an empty list would mean nobody. */
function rolesOf(refuse: Refuse, key: string, most: GateRule['roles'], asked: GateRule['roles']): GateRule['roles'] {
  if (!most || !asked) return asked ?? most
  const both = asked.filter((role) => most.includes(role))
  const others = asked.filter((role) => !most.includes(role))
  const left = both.length === 0 ? most : both
  if (others.length > 0)
    refuse(`${key}: the server does not let ${others.join(', ')} decide, so ${left.join(', ')} may.`)
  return left
}

/** Entries that lead only where the server’s own lead; none at all then allows no path. */
function allowedPaths(
  refuse: Refuse,
  most: readonly string[] | undefined,
  asked: readonly string[] | undefined,
): string[] | undefined {
  if (!most || !asked) return (asked ?? most)?.slice()
  const left = asked.filter((path) => most.some((wide) => isWithin(path, wide)))
  const others = asked.filter((path) => !left.includes(path))
  if (others.length > 0)
    refuse(`policies.allow_paths: the server does not allow ${others.join(', ')}, so they are left out.`)
  return left
}

/** True only where it is certain: the same glob, or one that starts in the folder that the other allows whole. */
const isWithin = (path: string, wide: string): boolean =>
  path === wide || wide === '**' || (/^[^*?[\]]+\/\*\*$/.test(wide) && path.startsWith(wide.slice(0, -2)))

const union = (a: readonly string[] | undefined, b: readonly string[] | undefined): string[] | undefined =>
  a || b ? [...new Set([...(a ?? []), ...(b ?? [])])] : undefined
