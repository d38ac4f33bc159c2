import type { Reply } from '../core/commands/command.ts'
import type { GateCard, HeldLine, Money, Outlook, RunCard, RunLine } from '../core/model/card.ts'
import type { Refusal } from '../core/model/problem.ts'
import { unreachable } from '../core/model/problem.ts'
import type { RunState, WaitingFor } from '../core/model/run.ts'
import type { WebhookLine } from '../core/model/webhook.ts'
import { diffLines } from './diff.ts'
import { sayMoney, sayTime, table } from './layout.ts'
import { quoted, quotedLines } from './quoted.ts'
import { sayPersonal } from './say-person.ts'
import { sayLedger } from './say-ledger.ts'
import { sayTakenBack } from './say-undo.ts'

export { sayMoney } from './layout.ts'

/** Every sentence the bot speaks, as plain text; surfaces add colour and form, never words. */

/** `5.8 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function sayDuration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`
}

/** One glyph and the state in words: the glyph never stands alone. */
export function sayState(state: RunState, waitingFor: WaitingFor | null): string {
  switch (state) {
    case 'queued':
      return '○ queued'
    case 'running':
      return '▸ running'
    case 'waiting':
      return waitingFor === 'gate'
        ? '● waiting for a decision'
        : waitingFor === 'time'
          ? '○ waiting to try again'
          : `○ waiting for ${waitingFor}`
    case 'paused':
      return '‖ paused'
    case 'succeeded':
      return '✓ done'
    case 'failed':
      return '✗ failed'
    case 'rejected':
      return '✗ rejected'
    case 'cancelled':
      return '✗ cancelled'
    default:
      return unreachable(state)
  }
}

/** Longer ones wrap on a phone, and in a terminal beside their words. */
const longestBar = 20

/** `███░░░ 2/6`: a block for each step, or for several where there are many. */
export function sayProgress({ n, of }: RunCard['phase'], isDone: boolean): string {
  const length = Math.min(of, longestBar)
  const full = isDone ? length : Math.floor(((n - 1) * length) / of)
  return `${'█'.repeat(full)}${'░'.repeat(length - full)} ${n}/${of}`
}

/** The card of a run in one line: what a live display redraws. */
export function sayRunLine(card: RunCard): string {
  const isDone = card.state === 'succeeded'
  const doing =
    card.state === 'running' || card.state === 'queued' ? card.phase.title : sayState(card.state, card.waitingFor)
  return `Run ${card.handle}  ${sayProgress(card.phase, isDone)}  ${doing} · ${sayDuration(card.elapsedMs)} · ${sayMoney(card.money.spentMicros)}`
}

/** The card of a run in full, ten lines or so. */
export function sayCard(card: RunCard): readonly string[] {
  const lines = [sayRunLine(card)]
  if (card.project) lines.push(`  ${quoted(card.project.name)}  ${quoted(card.project.address)}`)
  lines.push(`  ${sayState(card.state, card.waitingFor)}${card.reason ? `: ${quotedLines(card.reason)}` : ''}`)
  if (card.progress) lines.push(`  ${quoted(card.progress)}`)
  if (card.behind) lines.push(`  queued behind ${card.behind}, which works on the same repository and branch`)
  if (card.tries > 0 && card.state !== 'failed') lines.push(`  tried ${card.tries} times without success so far`)
  lines.push(`  ${sayBudget(card.money)}`)
  if (card.outlook) lines.push(...[sayOutlook(card.outlook), ...sayClamped(card.outlook)].map((line) => `  ${line}`))
  const score = sayScore(card)
  if (score) lines.push(`  ${score}`)
  for (const gate of card.gates) lines.push(...(gate.verdict === null ? sayGate(gate) : [sayDecision(gate)]))
  if (card.pullRequest) lines.push(`  ${sayPullRequest(card.pullRequest)}`)
  lines.push(...sayTakenBack(card.takenBack, card.handle).map((line) => `  ${line}`))
  lines.push(`  id ${card.correlationId}, started by ${quoted(card.startedBy)}`)
  const next = sayNext(card)
  return next ? [...lines, `  Next: ${next}`] : lines
}

/** `spent $0 of $10.00 · 0 of 2,000,000 tokens`, and the 80 % warning. */
export function sayBudget(money: Money): string {
  // An undo, say: it calls no model, and has nothing to spend.
  if (money.capMicros + money.capTokens + money.spentMicros + money.spentTokens === 0) return 'spent $0'
  const reserved = money.reservedMicros > 0 ? `, ${sayMoney(money.reservedMicros)} reserved` : ''
  const warning =
    money.capMicros > 0 && money.spentMicros + money.reservedMicros >= 0.8 * money.capMicros ? ' ! over 80 %' : ''
  const tokens = `${money.spentTokens.toLocaleString('en-US')} of ${money.capTokens.toLocaleString('en-US')} tokens`
  return `spent ${sayMoney(money.spentMicros)}${reserved} of ${sayMoney(money.capMicros)} · ${tokens}${warning}`
}

/** What stays set aside because nobody knows better, and what to do once somebody does. */
function sayHeld(handle: string, held: readonly HeldLine[]): readonly string[] {
  const [first] = held
  if (!first) return []
  const idOf = ({ id }: HeldLine): string => id.slice(-8)
  return [
    '  Nobody knows what these calls cost, so this stays set aside, the oldest first:',
    ...held.map(
      (line) => `  ${[idOf(line), quoted(line.step), quoted(line.purpose), sayMoney(line.reservedMicros)].join(' · ')}`,
    ),
    `  Once you know from its bill: /budget ${handle} ${idOf(first)} <dollars>`,
  ]
}

/** `pull request #7  https://github.com/ada/shop/pull/7`, and what became of it. */
export const sayPullRequest = ({ number, url, end }: NonNullable<RunCard['pullRequest']>): string =>
  `pull request #${number}${end ? ` (${end})` : ''}  ${quoted(url)}`

/** `estimate $0.40 ($0.10 to $2.00: documents $0.10, milestones $0.30) · about 2 s · gate anchor: one of approver or admin`. */
export function sayOutlook({ lowMicros, likelyMicros, highMicros, seconds, phases, basis, policy }: Outlook): string {
  const parts = phases.length > 1 ? phases.map(({ name, likelyMicros: micros }) => `${name} ${sayMoney(micros)}`) : []
  const range = lowMicros === highMicros ? [] : [`${sayMoney(lowMicros)} to ${sayMoney(highMicros)}`]
  const detail = [range.join(''), parts.join(', ')].filter(Boolean).join(': ')
  const from = basis && highMicros > 0 ? `, from ${basis}` : ''
  return `estimate ${sayMoney(likelyMicros)}${detail ? ` (${detail}${from})` : ''} · about ${seconds} s · ${policy.join(' · ')}`
}

/** What a run that is over cost against what was expected: `cost $0.44, 10 % above the estimate of $0.40 and within its range`. */
export function sayScore({ state, outlook, money: { spentMicros } }: RunCard): string | null {
  if (state !== 'succeeded' || outlook === null || outlook.highMicros === 0) return null
  const { lowMicros, likelyMicros, highMicros } = outlook
  const isWithin = spentMicros >= lowMicros && spentMicros <= highMicros
  const range = isWithin ? 'within its range' : `outside ${sayMoney(lowMicros)} to ${sayMoney(highMicros)}`
  const off = likelyMicros === 0 ? null : Math.round((100 * (spentMicros - likelyMicros)) / likelyMicros)
  const error = off === null ? 'against' : off === 0 ? 'as' : `${Math.abs(off)} % ${off > 0 ? 'above' : 'below'}`
  return `cost ${sayMoney(spentMicros)}, ${error} the estimate of ${sayMoney(likelyMicros)}, ${range}`
}

/** Each wish of the project that the server's own policy does not grant. */
export const sayClamped = ({ clamped }: Outlook): readonly string[] => clamped.map((wish) => `! ${quoted(wish)}`)

/** What a step pauses its run for until a person has done something about it. */
const asksOfSteps: ReadonlySet<string> = new Set(['conflict', 'attempts', 'no_progress', 'checks', 'issues', 'install'])

/** What a person can do about the run now; null when there is nothing. */
export function sayNext({
  handle,
  state,
  reasonCode,
  gates,
  behind,
  phase,
  retriedAs,
  isPastDeadline,
}: RunCard): string | null {
  const open = gates.filter((gate) => gate.verdict === null)
  if (open.length > 0 && state !== 'paused')
    return `/approve ${handle}, /changes ${handle} <what>, or /reject ${handle} <reason>`
  const money = open.find(({ kind }) => kind === 'budget')
  if (state === 'paused' && reasonCode === 'budget' && money)
    return `/approve ${handle} ${money.name}${money.subject.options ? ` (or ${money.subject.options.join(', ')})` : ''}, or /cancel ${handle}`
  if (state === 'paused')
    return reasonCode === 'budget'
      ? `/budget ${handle} +5, or /cancel ${handle}`
      : reasonCode === 'operator' || reasonCode === 'phase_done'
        ? `/resume ${handle}`
        : asksOfSteps.has(reasonCode ?? '')
          ? `/resume ${handle} once that is done, or /cancel ${handle}`
          : `/logs ${handle}, then /retry ${handle} or /cancel ${handle}`
  if (retriedAs !== null) return `/status ${retriedAs}, which goes on with it`
  if (state === 'failed' && isPastDeadline) return '/run once more, with more time where it needs it'
  // What the first step could not accept may be the address, which a run keeps.
  if (state === 'failed' && reasonCode === 'VALIDATION_ERROR' && phase.n === 1)
    return `/retry ${handle} once that is mended, or /run with another address or branch`
  if (state === 'failed') return `/retry ${handle} once the cause is mended`
  if (behind !== null) return `/status ${behind}, which goes first, or /cancel ${handle}`
  if (state === 'succeeded') return `/artifacts ${handle}`
  return null
}

/** A gate as its card: what, risks and questions first, what changed, then size, cost, digest and who may decide. */
export function sayGate(gate: GateCard): readonly string[] {
  const { subject } = gate
  const lines = [
    `● WAITING FOR YOU: ${quoted(subject.artifact.name.split('/').at(-1) ?? gate.name)}`,
    `  ${quoted(subject.what)}`,
  ]
  for (const risk of subject.risks.slice(0, 3)) lines.push(`  ! ${quoted(risk)}`)
  if (subject.questions.length > 0) lines.push(`  Open questions ${subject.questions.length}`)
  for (const question of subject.questions.slice(0, questionsShown)) lines.push(`   ${quoted(question)}`)
  if (subject.questions.length > questionsShown)
    lines.push(`   … ${subject.questions.length - questionsShown} more in the document`)
  if (subject.changes.length > 0)
    lines.push('  Changed since you last saw it', ...subject.changes.map((line) => `   ${quoted(line)}`))
  const digest = subject.artifact.sha256 ? ` · sha ${subject.artifact.sha256.slice(0, 12)}` : ''
  lines.push(`  ${subject.facts.map(quoted).join(' · ')}${digest}`)
  const votes = gate.quorum > 1 ? ` · ${gate.votes} of ${gate.quorum} votes` : ''
  const until = gate.expiresAt ? ` · closes ${sayTime(gate.expiresAt)}` : ''
  return [...lines, `  decided by: ${sayDeciders(gate)}${votes}${until}`, ...sayEscalated(gate)]
}

/** `approver or admin`, or `actor-1a2b3c4d (approver or admin)` where people are named. */
export const sayDeciders = ({ roles, people }: GateCard): string =>
  people ? `${people.join(', ')} (${roles.join(' or ')})` : roles.join(' or ')

const sayEscalated = ({ escalated }: GateCard): readonly string[] =>
  escalated ? [`  escalated at ${sayTime(escalated.at)}: ${escalated.roles.join(' or ')} may decide too`] : []

const questionsShown = 5

export const sayDecision = (gate: GateCard): string => {
  const verdict = gate.verdict === 'changes_requested' ? 'sent back for changes' : (gate.verdict ?? 'open')
  const by = gate.decidedBy ? ` by ${quoted(gate.decidedBy)}` : ''
  return `  gate ${quoted(gate.name)} ${verdict}${by}${gate.decidedAt ? ` at ${sayTime(gate.decidedAt)}` : ''}`
}

/** `✓ gate anchor approved by Ann at 2026-11-23 14:05 UTC`: what a card says of a gate that is closed. */
export const sayVerdict = (gate: GateCard): string =>
  `${gate.verdict === 'approved' ? '✓' : '✗'} ${sayDecision(gate).trim()}`

/** A refusal: what is wrong, then the next step. */
export const sayRefusal = ({ message, next }: Refusal): readonly string[] =>
  next ? [`✗ ${message}`, `  ${next}`] : [`✗ ${message}`]

/** A list of runs as a table. */
export function sayRuns(runs: readonly RunLine[], page: number, hasMore: boolean): readonly string[] {
  if (runs.length === 0) return page > 1 ? ['No more runs.'] : ['No runs yet. Start one: /run <folder or URL>']
  const rows = runs.map((run) => [
    run.handle,
    sayState(run.state, run.waitingFor),
    `${run.phase.n}/${run.phase.of}`,
    quoted(run.project ?? run.pipeline),
    sayDuration(run.elapsedMs),
    sayTime(run.startedAt),
  ])
  const lines = table(['run', 'state', 'phase', 'project', 'took', 'started'], rows)
  return hasMore ? [...lines, `More: /runs ${page + 1}`] : lines
}

/** What a person hears back, in lines of plain text. */
export function sayReply(reply: Reply): readonly string[] {
  switch (reply.kind) {
    case 'started':
      return reply.queuedBehind
        ? [`✓ Run ${reply.card.handle} is queued behind ${reply.queuedBehind}.`]
        : [`✓ Run ${reply.card.handle} started.`]
    case 'card':
      return sayCard(reply.card)
    case 'runs':
      return sayRuns(reply.runs, reply.page, reply.hasMore)
    case 'gates':
      return reply.gates.length === 0
        ? ['Nothing waits for a decision.']
        : reply.gates.flatMap((gate) => [`Run ${gate.handle}, gate ${gate.name}`, ...sayGate(gate), ''])
    case 'voted':
      return [sayVote(reply)]
    case 'changed':
      return [sayChange(reply)]
    case 'budget':
      return [
        `Run ${reply.handle}: ${sayBudget(reply.money)}`,
        ...sayLedger(reply.ledger),
        ...sayHeld(reply.handle, reply.held),
        ...(reply.asked ? [...sayGate(reply.asked), `  Next: /approve ${reply.handle} budget`] : []),
      ]
    case 'logs':
      return reply.lines.map((line) =>
        `${line.at.toISOString().slice(0, 19).replace('T', ' ')}  ${line.kind.padEnd(16)}  ${sayDetail(line.detail)}`.trimEnd(),
      )
    case 'calls':
      return sayCalls(reply)
    case 'artifacts':
      return reply.artifacts.length === 0
        ? ['Nothing yet.']
        : table(
            ['name', 'bytes', 'sha256', 'step'],
            reply.artifacts.map((line) => [
              quoted(line.name),
              String(line.sizeBytes),
              line.sha256.slice(0, 12),
              line.step,
            ]),
          )
    case 'file':
      return reply.text.split('\n')
    case 'diff':
      return reply.files.flatMap((file) => [file.name, ...diffLines(file.before, file.after)])
    case 'webhooks':
      return sayWebhooks(reply)
    default:
      return sayPersonal(reply)
  }
}

function sayCalls({ handle, calls, page, hasMore }: Extract<Reply, { kind: 'calls' }>): readonly string[] {
  if (calls.length === 0) return [page > 1 ? 'No more calls.' : `Run ${handle} has called no model yet.`]
  const rows = calls.map((call) => [
    call.at.toISOString().slice(0, 19).replace('T', ' '),
    call.id.slice(-8),
    quoted(call.step),
    quoted(call.model),
    call.prompt ? `${call.prompt.id}@${call.prompt.version}` : '(agent)',
    call.inputTokens?.toLocaleString('en-US') ?? '?',
    call.outputTokens?.toLocaleString('en-US') ?? '?',
    call.costMicros === null ? '?' : sayMoney(call.costMicros),
    sayDuration(call.durationMs),
    call.outcome,
    quoted(call.requestId ?? '–'),
  ])
  const heads = ['at (UTC)', 'call', 'step', 'model', 'prompt', 'in', 'out', 'cost', 'took', 'outcome', 'request']
  const lines = table(heads, rows)
  return hasMore ? [...lines, `More: /calls ${handle} ${page + 1}`] : lines
}

function sayWebhooks({ did, webhooks, secret }: Extract<Reply, { kind: 'webhooks' }>): readonly string[] {
  const [one] = webhooks
  if (did === 'list') {
    if (!one) return ['No webhooks. Add one: /webhook add <https URL>']
    return webhooks.flatMap(sayWebhook)
  }
  if (!one) return ['✓ The webhook is removed: it hears nothing more.']
  if (did === 'test')
    return [`✓ A ping is on its way to ${one.handle}.`, '  Next: /webhook list shows whether it was taken.']
  return [
    `✓ Webhook ${one.handle} hears ${sayEvents(one.events)} at ${one.address}`,
    `  secret ${secret ?? ''}`,
    '  Keep it now: it is not shown again. It signs each delivery.',
    `  Next: /webhook test ${one.handle}`,
  ]
}

const everyEvent = 9

const sayEvents = (events: readonly string[]): string =>
  events.length === everyEvent ? 'every event' : events.join(', ')

function sayWebhook({ handle, address, events, state, waiting, dead, lastError }: WebhookLine): readonly string[] {
  const told = state === 'gone' ? '✗ ended by the endpoint (410)' : `${waiting} waiting, ${dead} given up`
  const lines = [`${handle}  ${address}`, `  ${sayEvents(events)} · ${told}`]
  return lastError === null ? lines : [...lines, `  last failure: ${quoted(lastError)}`]
}

function sayVote(reply: Extract<Reply, { kind: 'voted' }>): string {
  const bytes = reply.sha256 ? ` (sha ${reply.sha256.slice(0, 12)})` : ''
  if (reply.verdict === null)
    return `✓ Your vote counts: ${reply.votes} of ${reply.quorum} for gate ${reply.gate}${bytes}.`
  if (reply.verdict === 'approved') return `✓ Approved by you: these exact bytes${bytes}`
  if (reply.verdict === 'rejected') return `✓ Rejected: run ${reply.card.handle} ends.`
  return `✓ Sent back: run ${reply.card.handle} writes it again and asks at a new gate.`
}

function sayChange({ change, card }: Extract<Reply, { kind: 'changed' }>): string {
  const isAsked = card.state === 'running'
  switch (change) {
    case 'pause':
      return isAsked ? `✓ Run ${card.handle} pauses after its current step.` : `✓ Run ${card.handle} is paused.`
    case 'resume':
      return `✓ Run ${card.handle} goes on.`
    case 'retry':
      return `✓ Run ${card.handle} tries once more.`
    case 'freeze':
      return `✓ Run ${card.handle} is frozen until an admin has looked at it.`
    case 'cancel':
      return card.state === 'cancelled'
        ? `✓ Run ${card.handle} is cancelled.`
        : `✓ Run ${card.handle} stops and cleans up.`
  }
}

function sayDetail(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .filter(([key]) => key !== 'state' && key !== 'position')
    .map(([key, value]) => `${key}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`)
    .join(' ')
}
