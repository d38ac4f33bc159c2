import { dollars } from '../../core/model/amount.ts'
import type { ArtifactRef, RunLimits } from '../../core/model/outcome.ts'
import type { GatePolicy } from '../../core/model/plan.ts'
import type { StepContext } from '../../core/pipeline.ts'
import type { Snapshot, SourceControl } from '../../core/ports.ts'
import type { ReadOutput } from './shapes.ts'
import type { ServerPolicy, Settings } from './settings/settings.ts'
import { parseCeiling, parsePinned, parseSettings, sayFindings } from './settings/settings.ts'
import { tightenedBy } from './settings/tighten.ts'
import { decode, refuse } from './text.ts'

const maxSettingsBytes = 64_000

const settingsName = 'quantapilot.yml'
const serverName = 'server-policy.yml'

/** What holds for a run: the project's settings under the server's own, and which files they are. */
export type Policy = {
  readonly settings: Settings
  /** A sentence for each wish of the project that the server does not grant. */
  readonly clamped: readonly string[]
  readonly sources: NonNullable<GatePolicy['sources']>
}

type From = { readonly source: SourceControl; readonly snapshot: Snapshot; readonly server: ServerPolicy | null }

/** Reads the project's settings, puts them under the server's, and keeps both files with the run. */
export async function readPolicy(
  ctx: StepContext,
  { source, snapshot, server }: From,
): Promise<{ readonly policy: Policy; readonly saved: readonly ArtifactRef[] }> {
  const bytes = await source.read(snapshot, settingsName, maxSettingsBytes, ctx.signal)
  const parsed = parseSettings(bytes === null ? '' : decode(bytes, settingsName), settingsName)
  if (!parsed.ok)
    throw refuse(
      `quantapilot.yml on branch ${snapshot.branch} is not valid:\n${sayFindings(parsed.findings).join('\n')}`,
    )
  const file = bytes === null ? null : await ctx.save(settingsName, bytes, 'application/yaml')
  const own = server && (await ctx.save(serverName, new TextEncoder().encode(server.text), 'application/yaml'))
  const sources = { file: file?.sha256 ?? null, server: own?.sha256 ?? null }
  return {
    policy: { ...under(server?.ceiling ?? null, parsed.settings), sources },
    saved: [file, own].filter((saved) => saved !== null),
  }
}

/** The policy of this run, as its first step pinned it, whatever either file says today. */
export async function pinnedPolicy(ctx: StepContext, read: ReadOutput): Promise<Policy> {
  const sources = { file: read.settingsSha256, server: read.serverPolicySha256 }
  const parsed = parsePinned((await pinned(ctx, sources.file)) ?? '', settingsName)
  if (!parsed.ok) throw refuse(`The pinned ${settingsName} does not parse any more: start a new run with /run.`)
  const text = await pinned(ctx, sources.server)
  const own = text === null ? null : parseCeiling(text, serverName)
  if (own && !own.ok) throw refuse(`The pinned ${serverName} does not parse any more: start a new run with /run.`)
  return { ...under(own?.ceiling ?? null, parsed.settings), sources }
}

/** What the base branch's file and the server's say today; never what a run under way goes by. */
export async function currentSettings(
  ctx: StepContext,
  { source, serverPolicy }: { readonly source: SourceControl; readonly serverPolicy: ServerPolicy | null },
  { address, branch }: Pick<Snapshot, 'address' | 'branch'>,
): Promise<Settings> {
  const snapshot = await source.snapshot({ address, branch }, ctx.signal)
  const bytes = await source.read(snapshot, settingsName, maxSettingsBytes, ctx.signal)
  const parsed = parseSettings(bytes === null ? '' : decode(bytes, settingsName), settingsName)
  if (!parsed.ok) throw refuse(`quantapilot.yml on branch ${branch} is not valid.`)
  return under(serverPolicy?.ceiling ?? null, parsed.settings).settings
}

const pinned = async (ctx: StepContext, sha256: string | null): Promise<string | null> =>
  sha256 === null ? null : new TextDecoder().decode(await ctx.read({ sha256 }))

const under = (ceiling: ServerPolicy['ceiling'] | null, settings: Settings): Omit<Policy, 'sources'> =>
  ceiling ? tightenedBy(ceiling, settings) : { settings, clamped: [] }

/** What the run may use; null leaves the pipeline's own. */
export function limitsOf({ budgets, limits }: Settings): RunLimits {
  const seconds = limits?.timeout_seconds ?? 0
  const tokens = [budgets?.tokens, limits?.tokens_per_run].filter((value) => value !== undefined)
  return {
    capMicros: budgets?.usd === undefined ? null : Math.round(budgets.usd * 1_000_000),
    capTokens: tokens.length === 0 ? null : Math.min(...tokens),
    deadlineMs: seconds === 0 ? null : seconds * 1000,
  }
}

/** Whoever policy names, else any approver or admin; never nobody by accident. */
export function gatePolicy({ settings, sources }: Pick<Policy, 'settings' | 'sources'>, gate: string): GatePolicy {
  const policy = settings.policies.gates[gate]
  const { escalateAfterMs: afterMs, escalateTo } = policy ?? {}
  return {
    roles: policy?.roles ?? ['approver', 'admin'],
    quorum: policy?.quorum ?? 1,
    selfApproval: policy?.selfApproval ?? true,
    expiresAfterMs: policy?.expiresAfterMs ?? null,
    remindEveryMs: policy?.remindEveryMs ?? null,
    ...(policy?.people ? { people: policy.people } : {}),
    ...(afterMs !== undefined && escalateTo ? { escalation: { afterMs, roles: escalateTo } } : {}),
    sources,
  }
}

/** The policy that applies, in parts of a line for people; `goesOnToCode`: what is built is merged as well. */
export function sayPolicy(policy: Policy, goesOnToCode: boolean): readonly string[] {
  const { policies, gates } = policy.settings
  const { capMicros } = limitsOf(policy.settings)
  return [
    ...(policies.gates['start'] ? [sayGate(policy, 'start')] : []),
    sayGate(policy, 'anchor'),
    ...(gates?.docs_lint === false ? ['documents need not pass the lint'] : []),
    ...(goesOnToCode ? [sayGate(policy, 'first-merge'), ...sayMilestones(policy)] : []),
    ...(goesOnToCode && gates?.tests_required === false ? ['tests need not pass'] : []),
    ...(capMicros === null ? [] : [`at most ${dollars(capMicros)}`]),
    ...(policy.sources.server === null ? [] : [`under the server’s policy ${policy.sources.server.slice(0, 12)}`]),
  ]
}

/** The first one is always shown; the others where a gate is written for all of them. */
function sayMilestones(policy: Policy): readonly string[] {
  const { gates } = policy.settings.policies
  const isForAll = gates['milestone'] !== undefined
  if (isForAll && !gates['m-001']) return [sayGate(policy, 'milestone')]
  return [sayGate(policy, 'm-001'), ...(isForAll ? [sayGate(policy, 'milestone')] : [])]
}

function sayGate(policy: Policy, gate: string): string {
  const { roles, people, quorum, selfApproval, escalation } = gatePolicy(policy, gate)
  const votes = quorum === 1 ? 'one' : `${quorum}`
  const who = people ? `${people.join(', ')} (${roles.join(' or ')})` : roles.join(' or ')
  const eyes = selfApproval ? '' : ', not whoever started the run'
  const later = escalation ? `, after ${sayDuration(escalation.afterMs)} also ${escalation.roles.join(' or ')}` : ''
  return `gate ${gate}: ${votes} of ${who}${eyes}${later}`
}

/** As it is written in the file: `90m`, `24h`. */
const sayDuration = (ms: number): string => (ms % 3_600_000 === 0 ? `${ms / 3_600_000}h` : `${ms / 60_000}m`)
