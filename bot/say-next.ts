import type { GateCard, RunCard } from '../core/model/card.ts'
import { wayOnAfter } from '../core/model/refusal-of-money.ts'
import { isOver } from '../core/model/run.ts'

/** What a person can do about the run now: a step that is not refused. Null when there is nothing. */
export function sayNext(card: RunCard): string | null {
  const { handle, state, reasonCode, gates, behind, phase, retriedAs, isPastDeadline } = card
  // Whatever else it waits for: nothing is decided and nothing is tried again before that.
  if (reasonCode === 'freeze' && !isOver(state))
    return `/resume ${handle} by an admin once they have looked, or /cancel ${handle}`
  const open = gates.filter((gate) => gate.verdict === null)
  if (state === 'paused') return sayPaused(card, open)
  if (open.length > 0) return sayOpen(handle, open)
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

/** A decision about one of several gates has to name it. */
function sayOpen(handle: string, open: readonly GateCard[]): string {
  const [first, ...others] = open.map(({ name }) => name)
  const changes = open[0]?.kind === 'budget' ? '' : ` /changes ${handle} <what>,`
  if (others.length === 0) return `/approve ${handle},${changes} or /reject ${handle} <reason>`
  const each = [first, ...others].map((name) => `/approve ${handle} ${name}`)
  return `${each.join(' or ')}; to say no, /reject ${handle} --gate ${first} <reason>`
}

function sayPaused({ handle, reasonCode, reason }: RunCard, open: readonly GateCard[]): string {
  const money = open.find(({ kind }) => kind === 'budget')
  switch (reasonCode) {
    case 'operator':
    case 'phase_done':
      return `/resume ${handle}`
    case 'invariant':
    case 'dead_letter':
      return `/logs ${handle}, then /retry ${handle} or /cancel ${handle}`
    case 'budget':
      return money ? sayMoneyGate(handle, money) : sayMoneyRefused(handle, reason ?? '')
    default:
      // A step asks for something: its own words are the reason.
      return `/resume ${handle} once that is done, or /cancel ${handle}`
  }
}

const sayMoneyGate = (handle: string, { name, subject }: GateCard): string =>
  `/approve ${handle} ${name}${subject.options ? ` (or ${subject.options.join(', ')})` : ''}, or /cancel ${handle}`

function sayMoneyRefused(handle: string, reason: string): string {
  switch (wayOnAfter(reason)) {
    case 'ask':
      return `/budget ${handle} +5, or /cancel ${handle}`
    case 'wait':
      return `/resume ${handle} once the day is over, or /cancel ${handle}`
    case 'raise':
      return `/resume ${handle} once that cap is raised, or /cancel ${handle}`
    case 'stop':
      return `/cancel ${handle}`
  }
}
