import { z } from 'zod'
import { readButton } from '../bot/cards.ts'
import { isUnsaid, questionOf } from '../bot/parse-command.ts'
import type { Caller, Pressed, Reception, Unsaid, Why } from '../bot/surface.ts'
import type { Command } from '../core/commands/command.ts'
import { needs } from '../core/commands/command.ts'
import type { Desk } from '../core/commands/desk.ts'
import { execute } from '../core/commands/execute.ts'
import { denyVisitor, greet } from '../core/commands/greet.ts'
import { cardOf } from '../core/commands/show.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import { handleOf } from '../core/model/handle.ts'
import { onlyThisPhase } from '../core/model/money-request.ts'
import { pinGate } from '../core/model/pin-gate.ts'
import type { Result } from '../core/model/problem.ts'
import { accepted, refused } from '../core/model/problem.ts'
import { findCard } from '../core/store/card.ts'
import { insertPrompt, takePrompt } from '../core/store/prompt.ts'
import { insertQuarantine } from '../core/store/quarantine.ts'

/** A decision without its words, as it was kept. */
const unsaid = z.object({
  kind: z.enum(['reject', 'changes']),
  run: z.string(),
  gate: z.string().nullable(),
  sha256: z.string().nullable(),
})

/**
 * The one counter that every network brings people to: it finds out who they are and does what they ask. `onChange` is
 * called when there may be something to tell.
 */
export function openReception(desk: Desk, log: EngineLog, onChange: () => void): Reception {
  const { db } = desk
  const ask: Reception['ask'] = async (caller, command) => {
    if (isPersonal.has(command.kind) && !caller.isPrivate) {
      return aloud
    }
    const actor = await greet(desk, caller)
    const answer = await execute(desk, actor, command, caller.deliveryId)
    onChange()
    return answer
  }
  return {
    ask,
    press: async (caller, data) => {
      const command = await meant(desk, caller, data)
      if (!command.ok) return command
      if (isUnsaid(command.value))
        return (await barredFrom(desk, caller, command.value)) ?? accepted(reasonFor(command.value))
      const reply = await ask(caller, command.value)
      return reply.ok ? accepted<Pressed>({ kind: 'reply', reply: reply.value }) : reply
    },
    begin: async (caller, command) => {
      const barred = await barredFrom(desk, caller, command)
      if (barred) return barred
      const card = await cardOf(desk, command.run)
      const pinned = card.ok ? pinGate(card.value, command) : card
      return pinned.ok ? accepted(reasonFor(pinned.value)) : pinned
    },
    expectWords: async (caller, prompt, command) => {
      const { id, at } = await greet(desk, caller)
      await db.run(insertPrompt, { destination: at, prompt, actor: id, command })
    },
    takeWords: async (caller, prompt) => {
      const { id, at } = await greet(desk, caller)
      const [kept] = await db.run(takePrompt, { destination: at, prompt, actor: id })
      return kept ? unsaid.parse(kept.command) : null
    },
    deny: (caller, why) => denyVisitor(desk, caller, why),
    quarantine: async (source, deliveryId, body, why) => {
      log('error', 'an event was put aside: it could not be taken in', { source, deliveryId, why })
      await db.run(insertQuarantine, { source, deliveryId, body, why })
    },
  }
}

/** What others in a chat must not read. */
const isPersonal: ReadonlySet<string> = new Set(['link', 'key', 'mail', 'privacy'])

const aloud = refused(
  'usage',
  'Codes, keys, addresses and what is kept of people are for private chats only.',
  'Write to me in private and say it there.',
)

/** What a button stands for at the place where it was pressed. */
async function meant(desk: Desk, caller: Caller, data: string): Promise<Result<Command | Unsaid>> {
  const button = readButton(data)
  const { at } = await greet(desk, caller)
  const [card] = button && at ? await desk.db.run(findCard, { key: button.key, destination: at }) : []
  if (!button || !card) return refused('not_found', 'This button is none of this chat.', 'See /gates for what is open.')
  const run = handleOf(card.number)
  const gate = { run, gate: card.gateId, sha256: card.sha256 }
  switch (button.verb) {
    case 'approve':
      return card.kind === 'gate' ? accepted({ kind: 'approve', ...gate }) : notHere
    case 'phase':
      return card.kind === 'gate' ? accepted({ kind: 'approve', ...gate, option: onlyThisPhase }) : notHere
    case 'reject':
    case 'changes':
      return card.kind === 'gate' ? accepted({ kind: button.verb, ...gate }) : notHere
    default:
      return accepted({ kind: button.verb, run })
  }
}

/** Nobody is asked for words that could not count; null where they may. */
async function barredFrom(desk: Desk, caller: Caller, { kind, run }: Unsaid): Promise<Result<never> | null> {
  const { roles } = await greet(desk, caller)
  const wanted = needs[kind]
  if (wanted === 'anyone' || wanted.some((role) => roles.includes(role))) return null
  await denyVisitor(desk, caller, `/${kind}`)
  return refused(
    'not_allowed',
    `To decide about run ${run} you need the role ${wanted.join(' or ')}.`,
    'Ask an admin for it.',
  )
}

const notHere = refused('usage', 'This button decides nothing.', 'Use the card of the gate.')

const reasonFor = (command: Unsaid): Why => ({ kind: 'reason', command, prompt: questionOf(command) })
