import type { GateCard, RunCard } from '../core/model/card.ts'
import { onlyThisPhase } from '../core/model/money-request.ts'
import { isOver } from '../core/model/run.ts'
import { sayMoney, sayTime } from './layout.ts'
import { quoted, quotedLines } from './quoted.ts'
import {
  sayBudget,
  sayClamped,
  sayDeciders,
  sayGate,
  sayOutlook,
  sayPullRequest,
  sayRunLine,
  sayScore,
  sayState,
  sayVerdict,
} from './phrase.ts'
import { sayNext } from './say-next.ts'
import { sayTakenBack } from './say-undo.ts'
import type { Button, Post } from './surface.ts'

/** What a button stands for. */
export const verbs = [
  'approve',
  'phase',
  'changes',
  'reject',
  'diff',
  'pause',
  'resume',
  'retry',
  'cancel',
  'freeze',
] as const
export type Verb = (typeof verbs)[number]

/** What the button of a card carries: the card's key and what to do, 64 bytes at most. */
export const buttonData = (key: string, verb: Verb): string => `${key}.${verb}`

/** The key and the verb of a button, or null for what no button of ours carries. */
export function readButton(data: string): { readonly key: string; readonly verb: Verb } | null {
  const match = /^([\w-]{22})\.([a-z]+)$/.exec(data)
  const verb = verbs.find((known) => known === match?.[2])
  return match?.[1] !== undefined && verb ? { key: match[1], verb } : null
}

/** A card cuts off here: the whole is one tap away. No line of it, such as a long reason, takes the room of the others. */
const longest = 1_500
const longestLine = 700

type Drawing = Omit<Post, 'under'> & {
  /** True when it will never look different. */
  readonly isFinal: boolean
}

/** The card of a run: where it stands, what it costs, what comes next. */
export function drawRun(card: RunCard, key: string): Drawing {
  const lines = [sayRunLine(card)]
  if (card.project) lines.push(quoted(card.project.address))
  lines.push(`${sayState(card.state, card.waitingFor)}${card.reason ? `: ${quotedLines(card.reason)}` : ''}`)
  if (card.progress) lines.push(quoted(card.progress))
  if (card.behind) lines.push(`queued behind ${card.behind}, which works on the same repository and branch`)
  if (card.tries > 0 && card.state !== 'failed') lines.push(`tried ${card.tries} times without success so far`)
  lines.push(sayBudget(card.money))
  if (card.outlook) lines.push(sayOutlook(card.outlook), ...sayClamped(card.outlook))
  const score = sayScore(card)
  if (score) lines.push(score)
  for (const gate of card.gates)
    lines.push(gate.verdict === null ? `● gate ${quoted(gate.name)} is open` : sayVerdict(gate))
  if (card.pullRequest) lines.push(sayPullRequest(card.pullRequest))
  lines.push(...sayTakenBack(card.takenBack, card.handle))
  lines.push(`id ${card.correlationId}, started by ${quoted(card.startedBy)}`)
  const next = sayNext(card)
  if (next) lines.push(`Next: ${next}`)
  const isFinal = isOver(card.state) && !mayBeRetried(card)
  const links = card.pullRequest ? [card.pullRequest.url] : []
  return { lines: cut(lines), links, buttons: runButtons(card, key), isLoud: true, isFinal }
}

const mayBeRetried = ({ state, retriedAs, isPastDeadline }: RunCard): boolean =>
  state === 'failed' && retriedAs === null && !isPastDeadline

function runButtons(card: RunCard, key: string): readonly Button[] {
  const button = (verb: Verb, label: string, confirm: string | null = null): Button => ({
    label: `${label} ${card.handle}`,
    data: buttonData(key, verb),
    style: confirm ? 'danger' : 'plain',
    confirm,
  })
  const cancel = button('cancel', 'Cancel', `Stop run ${card.handle} for good and clean up?`)
  if (mayBeRetried(card)) return [button('retry', 'Retry')]
  if (isOver(card.state)) return []
  return [card.state === 'paused' ? button('resume', 'Resume') : button('pause', 'Pause'), cancel]
}

/** The card of a gate: open, what to decide with its buttons; closed, the same request with who decided and when. */
export function drawGate(gate: GateCard, key: string): Drawing {
  const [, ...asked] = sayGate(gate)
  const name = quoted(gate.subject.artifact.name.split('/').at(-1) ?? gate.name)
  const isOpen = gate.verdict === null
  const title = isOpen ? `● Run ${gate.handle} waits for you: ${name}` : `${sayVerdict(gate)} · run ${gate.handle}`
  return {
    lines: cut([title, ...asked.map((line) => line.replace(/^ {2}/, ''))]),
    // A fact that is an address and nothing else is a pull request of ours; no path in a repository can be one.
    links: gate.subject.facts.filter((fact) => /^https:\/\/[^\s/]+\/\S+$/.test(fact)),
    buttons: isOpen ? gateButtons(gate, key, name) : [],
    isLoud: isOpen,
    isFinal: !isOpen,
  }
}

/** More money, less of it, none, or the end: what a run that has run out of it needs somebody to choose from. */
function moneyButtons({ subject, handle }: GateCard, key: string): readonly Button[] {
  const button = (verb: Verb, label: string, style: Button['style'], confirm: string | null = null): Button => ({
    label,
    data: buttonData(key, verb),
    style,
    confirm,
  })
  const { micros, call } = subject
  const phase = subject.options?.includes(onlyThisPhase) ? [button('phase', 'Only to finish this phase', 'plain')] : []
  return [
    button('approve', call ? `Allow ${sayMoney(call.micros)} calls` : `Raise by ${sayMoney(micros ?? 0)}`, 'primary'),
    ...phase,
    button('reject', 'Refuse', 'danger'),
    button('cancel', `Stop run ${handle}`, 'danger', `Stop run ${handle} for good and clean up?`),
  ]
}

function gateButtons(gate: GateCard, key: string, name: string): readonly Button[] {
  if (gate.kind === 'budget') return moneyButtons(gate, key)
  const button = (verb: Verb, label: string, style: Button['style']): Button => ({
    label,
    data: buttonData(key, verb),
    style,
    confirm: null,
  })
  return [
    button('approve', `Approve ${name}`, 'primary'),
    button('changes', 'Ask for changes', 'plain'),
    button('reject', `Reject ${name}`, 'danger'),
    button('diff', `Show ${name}`, 'plain'),
  ]
}

/**
 * What makes people look up when a card is only redrawn, and what they can do; null for what needs no message of its own.
 * `gateId` is the gate that it tells of, null where nobody knows it any more.
 */
export function drawNote(card: RunCard, topic: string, gateId: string | null): Drawing | null {
  const text = noteOf(card, topic, gateId)
  if (text === null) return null
  const next = asksForAct.has(topic) && (topic !== 'run_failed' || card.state === 'failed') ? sayNext(card) : null
  const lines = next ? [text, `Next: ${next}`] : [text]
  return { lines: cut(lines), buttons: [], isLoud: true, isFinal: true }
}

const asksForAct: ReadonlySet<string> = new Set(['gate_reminder', 'gate_escalated', 'run_paused', 'run_failed'])

/** Events that deserve a message of their own, and whether those hear of them who only want decisions. */
export const noted: Readonly<Record<string, { readonly isDecision: boolean }>> = {
  gate_reminder: { isDecision: true },
  run_paused: { isDecision: true },
  run_failed: { isDecision: false },
  run_completed: { isDecision: false },
  pull_request_merged: { isDecision: false },
  pull_request_closed: { isDecision: false },
}

function noteOf(card: RunCard, topic: string, gateId: string | null): string | null {
  const { handle } = card
  const gates = card.gates.filter((gate) => gate.verdict === null && (gateId === null || gate.gateId === gateId))
  switch (topic) {
    case 'gate_reminder': {
      const [open] = gates
      return open
        ? `● Still waiting: gate ${quoted(open.name)} of run ${handle}. Decided by: ${sayDeciders(open)}.`
        : null
    }
    case 'gate_escalated': {
      const open = gates.find(({ escalated }) => escalated)
      return open
        ? `● Escalated to you: nobody has decided gate ${quoted(open.name)} of run ${handle} since ${sayTime(open.openedAt)}. Whoever is ${open.escalated?.roles.join(' or ')} may decide it now too.`
        : null
    }
    case 'run_paused':
      return card.state === 'paused'
        ? `‖ Run ${handle} is paused: ${quotedLines(card.reason ?? 'no reason given')}`
        : null
    case 'run_failed':
      return `✗ Run ${handle} failed: ${quotedLines(card.reason ?? 'no reason given')}`
    case 'run_completed':
      return card.state === 'succeeded'
        ? `✓ Run ${handle} is done. See /artifacts ${handle}`
        : `✗ Run ${handle} was ${card.state}${card.reason ? `: ${quotedLines(card.reason)}` : ''}`
    case 'pull_request_merged':
      return `✓ Run ${handle}: The docs pull request was merged on GitHub.`
    case 'pull_request_closed':
      return `✗ Run ${handle}: The docs pull request was closed on GitHub.`
    default:
      return null
  }
}

/** What tells a person, in private, that somebody decided or voted in their name, from an account of theirs or in their place. */
export function drawReceipt(gate: GateCard, key: string): Drawing {
  const isOpen = gate.verdict === null
  const what = isOpen ? `● gate ${quoted(gate.name)} is open` : sayVerdict(gate)
  const from = `from an account of yours${gate.quorum > 1 || gate.decidedInPlaceOf !== null ? ' or in your place' : ''}`
  const votes = isOpen ? ` (${gate.votes} of ${gate.quorum} votes so far)` : ''
  const digest = gate.subject.artifact.sha256 ? ` (sha ${gate.subject.artifact.sha256.slice(0, 12)})` : ''
  return {
    lines: [
      `${what} · run ${gate.handle}${digest}`,
      gate.quorum > 1 ? `A vote on it came ${from}${votes}.` : `This was decided ${from}.`,
    ],
    buttons: [
      {
        label: 'This was not me',
        data: buttonData(key, 'freeze'),
        style: 'danger',
        confirm: `Freeze run ${gate.handle} until an admin has looked at it?`,
      },
    ],
    isLoud: false,
    isFinal: !isOpen,
  }
}

/** Where not all lines find room, the first and the last ones stay: what it is, and what to do, or whose bytes these are and who decides. */
function cut(lines: readonly string[]): readonly string[] {
  const short = lines.map((line) => shorten(line, longestLine))
  if (sizeOf(short) <= longest) return short
  const [title = '', ...rest] = short
  const [middle, tail] = [rest.slice(0, -lastLines), rest.slice(-lastLines)]
  const kept = [title]
  let room = longest - sizeOf([title, '…', ...tail])
  for (const line of middle) {
    room -= line.length + 1
    if (room < 0) return [...kept, '…', ...tail]
    kept.push(line)
  }
  return [...kept, ...tail]
}

const lastLines = 3

const sizeOf = (lines: readonly string[]): number => lines.reduce((sum, { length }) => sum + length + 1, 0)

/** Its end stays, where a reason says what to do and a gate whose bytes it is about; no letter is cut in two. */
function shorten(line: string, most: number): string {
  if (line.length <= most) return line
  const end = Math.floor(most / 3)
  const before = line.slice(0, most - end - 1).replace(/[\uD800-\uDBFF]$/, '')
  return `${before}…${line.slice(-end).replace(/^[\uDC00-\uDFFF]/, '')}`
}
