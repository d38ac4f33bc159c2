import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { RunCard } from '../../core/model/card.ts'
import type { Result } from '../../core/model/problem.ts'
import { sayCard, sayGate, sayRefusal, sayReply } from '../phrase.ts'
import { sayNext } from '../say-next.ts'
import { grammar } from '../grammar.ts'
import type { Ask } from '../surface.ts'
import { follow, hasSettled } from './follow.ts'
import type { Screen } from './screen.ts'
import { harmless } from './screen.ts'

/** What the exit code of a command says to a script. */
export const exitCodes = {
  done: 0,
  /** The run failed, was rejected or cancelled. */
  notDone: 1,
  usage: 2,
  refused: 3,
  /** The run waits for a person's decision, or behind another run. */
  waits: 4,
  paused: 5,
  /** The database is away or another surrounding is missing. */
  unavailable: 69,
  internal: 70,
  /** Ctrl-C or SIGTERM came before the run needed anybody; the run itself is kept. */
  stopped: 130,
} as const

/** The same in words, as the help has it. */
export const exitCodeWords: readonly { readonly code: number; readonly says: string }[] = [
  { code: exitCodes.done, says: 'done' },
  { code: exitCodes.notDone, says: 'the run failed, was rejected or cancelled; or a check found something wrong' },
  { code: exitCodes.usage, says: 'typed wrong' },
  { code: exitCodes.refused, says: 'refused' },
  { code: exitCodes.waits, says: 'the run waits for a decision, or behind another run' },
  { code: exitCodes.paused, says: 'the run is paused' },
  { code: exitCodes.unavailable, says: 'the database or something else is away' },
  { code: exitCodes.internal, says: 'an error of ours' },
  { code: exitCodes.stopped, says: 'left by Ctrl-C or SIGTERM; the run is kept' },
]

export type Invocation = {
  readonly screen: Screen
  readonly ask: Ask
  readonly command: Command
  readonly json: boolean
  /** Keep drawing the run until it settles. */
  readonly watch: boolean
  readonly signal: AbortSignal
  /** Makes sure somebody works: this process itself when no other worker is alive. */
  readonly work: () => Promise<void>
}

/** Runs one command as typed after `qp` and answers with the exit code. */
export async function runCommand(invocation: Invocation): Promise<number> {
  const { screen, ask, json } = invocation
  const command = withAbsoluteTarget(invocation.command)
  const result = await ask(command, randomUUID())
  if (!result.ok) return refuse(invocation, result)
  const followed = followedRun(command, result.value, invocation.watch)
  if (followed === null) {
    if (json) printJson(screen, { ok: true, ...result.value })
    else screen.print(...sayAt(screen, result.value).map(asTyped))
    return exitCodes.done
  }
  if (!json) screen.print(...sayReply(result.value).map(asTyped))
  await invocation.work()
  return followToTheEnd(invocation, followed)
}

/** What a reply says here. A person reads the text of a file behind a bar, so that no line of it can pass for ours. */
export const sayAt = ({ output }: Pick<Screen, 'output'>, reply: Reply): readonly string[] =>
  reply.kind === 'file' && output.isTTY ? sayReply(reply).map((line) => `│ ${line}`) : sayReply(reply)

/** A folder is named from where the person stands; everyone else needs it from the root. */
export function withAbsoluteTarget(command: Command): Command {
  if (command.kind !== 'run' || /^[a-z][a-z0-9+.-]*:/i.test(command.target) || /^[^/]+@[^/]+:/.test(command.target))
    return command
  return { ...command, target: resolve(command.target) }
}

/** Commands that set a run going are followed until it needs somebody again. */
function followedRun(command: Command, reply: Reply, watch: boolean): string | null {
  if (reply.kind === 'started') return reply.card.handle
  if (reply.kind === 'voted' && reply.verdict !== null) return reply.card.handle
  if (reply.kind === 'changed' && command.kind !== 'pause') return reply.card.handle
  if (reply.kind === 'card' && watch) return reply.card.handle
  return null
}

async function followToTheEnd(invocation: Invocation, handle: string): Promise<number> {
  const { screen, ask, json, signal } = invocation
  const last = json ? await waitSilently(invocation, handle) : await follow(screen, ask, handle, signal)
  if (!last.ok) return refuse(invocation, last)
  const card = last.value
  const isLeft = !hasSettled(card)
  if (json) printJson(screen, { ok: true, kind: 'card', card })
  else screen.print(...(isLeft ? sayLeft(card) : sayOutcome(card)).map(asTyped))
  return isLeft ? exitCodes.stopped : codeOf(card)
}

/** What a person reads who left a run before it settled. */
const sayLeft = ({ handle }: RunCard): readonly string[] => [
  `Left run ${handle} as it is; nothing is lost.`,
  `  Next: /status ${handle} --watch goes on with it, or /cancel ${handle}`,
]

async function waitSilently({ ask, signal }: Invocation, handle: string): Promise<Result<RunCard>> {
  for (;;) {
    const reply = await ask({ kind: 'status', run: handle, page: 1 }, '')
    if (!reply.ok) return reply
    if (reply.value.kind === 'card' && (hasSettled(reply.value.card) || signal.aborted))
      return { ok: true, value: reply.value.card }
    await new Promise((done) => setTimeout(done, 100))
  }
}

/** What a person reads when a followed run has settled. */
export function sayOutcome(card: RunCard): readonly string[] {
  const open = card.gates.filter((gate) => gate.verdict === null)
  const next = sayNext(card)
  if (open.length > 0 && card.state === 'waiting') {
    return ['', ...open.flatMap(sayGate), ...(next ? [`  Next: ${next}`] : [])]
  }
  // What an undo has done is on its card.
  if (card.state === 'succeeded' && card.takenBack.length === 0)
    return [`✓ Done. See what it made: qp artifacts ${card.handle}`]
  return sayCard(card).slice(1)
}

function codeOf(card: RunCard): number {
  switch (card.state) {
    case 'succeeded':
      return exitCodes.done
    case 'waiting':
    case 'queued':
      return exitCodes.waits
    case 'paused':
      return exitCodes.paused
    case 'failed':
    case 'rejected':
    case 'cancelled':
      return exitCodes.notDone
    default:
      return exitCodes.done
  }
}

/** Prints a refusal and answers with its exit code. */
export function refuse(
  { screen, json }: Pick<Invocation, 'screen' | 'json'>,
  result: Extract<Result<unknown>, { ok: false }>,
): number {
  const { code, message, next } = result.refusal
  if (json) printJson(screen, { ok: false, code, message: typed(message), ...(next ? { next: typed(next) } : {}) })
  else screen.print(...sayRefusal(result.refusal).map(asTyped))
  return result.refusal.code === 'usage' ? exitCodes.usage : exitCodes.refused
}

/** The same for a command that was typed wrong. */
export function misused(shell: Pick<Invocation, 'screen' | 'json'>, message: string, next?: string): number {
  return refuse(shell, {
    ok: false,
    refusal: next === undefined ? { code: 'usage', message } : { code: 'usage', message, next },
  })
}

/** Sentences name commands with a slash; at a shell's prompt they are typed after `qp`. Escape sequences are taken out. */
const asTyped = (line: string): string => typed(harmless(line))

const typed = (text: string): string =>
  text
    .replaceAll(slashCommand, '$1qp $2')
    .replace(wayToWrite, (way) => way.replaceAll(commandOfWay, '$1qp $2'))
    .replace(/\bSee help\.$/, 'See qp help.')

const commands = [...Object.keys(grammar), 'help'].join('|')

const slashCommand = new RegExp(`(^|[\\s(])/(${commands})\\b`, 'g')

/** How a command is written, and what was meant by one that does not exist: both without a slash. */
const wayToWrite = /^ *(?:Usage|Did you mean)\b.*$/

const commandOfWay = new RegExp(`((?:Usage:|Did you mean| \\|) )(${commands})(?= |\\?|$)`, 'g')

const printJson = (screen: Screen, value: unknown): void => {
  screen.output.write(`${JSON.stringify(value)}\n`)
}
