import { randomUUID } from 'node:crypto'
import type { Interface } from 'node:readline/promises'
import { createInterface } from 'node:readline/promises'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import { isUnsaid, parseTyped, wordsOf, wordsOfChat } from '../parse-command.ts'
import { sayRefusal } from '../phrase.ts'
import type { Ask, Listener, Message, Surface, Unsaid } from '../surface.ts'
import { sayAt, withAbsoluteTarget } from './command-line.ts'
import { helpSection, sayCommand, sayCommands } from './help.ts'
import { askWhy, questionAt } from './question.ts'
import type { Screen } from './screen.ts'
import { harmless } from './screen.ts'

/** The interactive session: slash commands typed at a prompt, and notices of what happens meanwhile. */
export class TerminalSession implements Surface, Listener {
  readonly name = 'terminal'
  readonly #screen: Screen
  readonly #ask: Ask
  #lines: Interface | null = null
  /** What Enter alone means: the correction just offered. */
  #offered: string | null = null

  constructor(screen: Screen, ask: Ask) {
    this.#screen = screen
    this.#ask = ask
  }

  async start(): Promise<void> {
    const lines = createInterface({ input: this.#screen.input, output: this.#screen.output, prompt: 'qp> ' })
    this.#lines = lines
    lines.prompt()
    for await (const line of lines) {
      if (/^\/?(quit|exit|q)$/.test(line.trim())) break
      await this.#answer(line.trim())
      lines.prompt()
    }
  }

  /** One line per message; the prompt and what is typed so far come back below it. */
  async send({ handle, topic, payload }: Message): Promise<void> {
    const notice = sayNotice(handle, topic, payload)
    if (!notice || !this.#lines) return
    this.#screen.output.write('\r\u001b[2K')
    this.#screen.print(harmless(notice))
    this.#lines.prompt(true)
  }

  async stop(): Promise<void> {
    this.#lines?.close()
  }

  async #answer(typed: string): Promise<void> {
    const line = typed === '' ? (this.#offered ?? '') : typed
    this.#offered = null
    if (line === '') return
    if (/^\/?help\b/.test(line)) return this.#screen.print(...sayHelp(wordsOf(line)[1] ?? null))
    const parsed = parseTyped(wordsOfChat(line))
    if (!parsed.ok) return this.#offer(parsed)
    if (isUnsaid(parsed.value)) return this.#decide(parsed.value)
    await this.#do(withAbsoluteTarget(parsed.value))
  }

  /** A near miss can be taken by pressing Enter. */
  #offer(refusal: Extract<Result<Command>, { ok: false }>): void {
    const meant = /^Did you mean (.+)\?$/.exec(refusal.refusal.next ?? '')?.[1]
    if (!meant) return this.#screen.print(...sayRefusal(refusal.refusal).map(harmless))
    this.#offered = meant
    this.#screen.print(harmless(`Did you mean /${meant}? [Enter]`))
  }

  async #decide(command: Unsaid): Promise<void> {
    const lines = this.#lines
    if (!lines) return
    await this.#try(async () => {
      const whole = await askWhy(this.#ask, command, (prompt) => questionAt(lines, prompt))
      return whole.ok ? this.#ask(whole.value, randomUUID()) : whole
    })
  }

  #do(command: Command): Promise<void> {
    return this.#try(() => this.#ask(command, randomUUID()))
  }

  async #try(work: () => Promise<Result<Reply>>): Promise<void> {
    try {
      const result = await work()
      this.#screen.print(...(result.ok ? sayAt(this.#screen, result.value) : sayRefusal(result.refusal)).map(harmless))
    } catch (error) {
      this.#screen.print(`✗ ${error instanceof Error ? error.message : String(error)}`, '  Try it again in a moment.')
    }
  }
}

/** What a person at the prompt hears of a run; null for what is not worth a line. */
function sayNotice(handle: string, topic: string, payload: unknown): string | null {
  const detail = (payload ?? {}) as Readonly<Record<string, unknown>>
  switch (topic) {
    case 'gate_requested':
      return `● ${handle} waits for a decision on ${String(detail['gate'])}: /status ${handle}, then /approve ${handle}`
    case 'run_paused':
      return `‖ ${handle} is paused (${String(detail['reason'])}): /status ${handle}`
    case 'run_failed':
      return `✗ ${handle} failed: ${String(detail['message']).split('\n')[0]}`
    case 'run_completed':
      return detail['outcome'] === 'succeeded'
        ? `✓ ${handle} is done: /artifacts ${handle}`
        : `✗ ${handle} was ${String(detail['outcome'])}`
    case 'pull_request_merged':
      return `✓ ${handle}: the docs pull request was merged on GitHub`
    case 'pull_request_closed':
      return `✗ ${handle}: the docs pull request was closed on GitHub`
    default:
      return null
  }
}

const here = [
  { usage: '/help [command]', says: 'all of it, or one command' },
  { usage: '/quit', says: 'leaves; runs survive' },
]

function sayHelp(topic: string | null): readonly string[] {
  const one = topic === null ? null : sayCommand(topic.replace(/^\//, ''), '/')
  return one ?? [...sayCommands('/'), ...helpSection('Here', here)]
}
