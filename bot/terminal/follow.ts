import { setTimeout as sleep } from 'node:timers/promises'
import type { RunCard } from '../../core/model/card.ts'
import type { Result } from '../../core/model/problem.ts'
import { isOver } from '../../core/model/run.ts'
import { sayClamped, sayOutlook, sayRunLine } from '../phrase.ts'
import type { Ask } from '../surface.ts'
import type { Screen } from './screen.ts'
import { harmless } from './screen.ts'

/** How often a followed run is looked at. */
const everyMs = 100

/** True when a run needs a person or another run first, or nothing more will happen to it. */
export const hasSettled = (card: RunCard): boolean =>
  card.behind !== null ||
  isOver(card.state) ||
  card.state === 'paused' ||
  (card.state === 'waiting' && card.waitingFor === 'gate')

/** Draws a run live until it settles or `signal` says to leave it; answers with its last card. */
export async function follow(screen: Screen, ask: Ask, handle: string, signal: AbortSignal): Promise<Result<RunCard>> {
  let isOutlookSaid = false
  for (;;) {
    const reply = await ask({ kind: 'status', run: handle, page: 1 }, '')
    if (!reply.ok) return reply
    if (reply.value.kind !== 'card') throw new TypeError(`status of one run answered with ${reply.value.kind}`)
    const { card } = reply.value
    if (card.outlook && !isOutlookSaid && card.phase.n <= 2)
      screen.print(...[capital(sayOutlook(card.outlook)), ...sayClamped(card.outlook)].map(harmless))
    isOutlookSaid ||= card.outlook !== null
    const line = [sayRunLine(card), card.progress ?? []].flat().join(' · ')
    screen.live(harmless(line), `${hasSettled(card) ? card.state : 'under way'} ${card.phase.n}`)
    if (hasSettled(card) || signal.aborted) {
      screen.settle()
      return { ok: true, value: card }
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
