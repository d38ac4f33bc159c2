import type { Interface } from 'node:readline/promises'
import { createInterface } from 'node:readline/promises'
import { pinGate } from '../../core/model/pin-gate.ts'
import type { Command } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import { refused } from '../../core/model/problem.ts'
import { questionOf } from '../parse-command.ts'
import type { Ask, Unsaid } from '../surface.ts'
import type { Screen } from './screen.ts'

/** One line from the person; null when they closed the input or `signal` came. */
export async function questionAt(lines: Interface, prompt: string, signal?: AbortSignal): Promise<string | null> {
  const left = new AbortController()
  const leave = (): void => left.abort()
  lines.once('close', leave)
  const stop = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  try {
    return await lines.question(prompt, { signal: stop })
  } catch (error) {
    if (stop.aborted) return null
    throw error
  } finally {
    lines.off('close', leave)
  }
}

type Where = { readonly screen: Screen; readonly signal: AbortSignal }

/** The same where nothing else reads lines. */
export async function question({ screen, signal }: Where, prompt: string): Promise<string | null> {
  const lines = createInterface({ input: screen.input, output: screen.output })
  try {
    return await questionAt(lines, prompt, signal)
  } finally {
    lines.close()
  }
}

/** The whole of a decision that was typed without its words, which are asked for here; refused where they could not count. */
export async function askWhy(ask: Ask, command: Unsaid, asking: (prompt: string) => Promise<string | null>) {
  const shown = await ask({ kind: 'status', run: command.run, page: 1 }, '')
  if (!shown.ok) return shown
  if (shown.value.kind !== 'card') return nothingDecided
  const pinned = pinGate(shown.value.card, command)
  if (!pinned.ok) return pinned
  const reason = (await asking(`${questionOf(command)} `))?.trim()
  return reason ? whole({ ...pinned.value, reason }) : nothingDecided
}

const whole = (value: Command): Result<Command> => ({ ok: true, value })

const nothingDecided = refused('usage', 'Nothing was decided: no reason was given.')
