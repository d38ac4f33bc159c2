import { setTimeout as delay } from 'node:timers/promises'
import type { App, RespondArguments, ViewResponseAction, ViewSubmitAction } from '@slack/bolt'
import { isUnsaid } from '../parse-command.ts'
import type { Caller, Reception, Unsaid, Why } from '../surface.ts'
import { type Answer, answerFault, answerOf, answerRefusal, answerReply, bring, whisper } from './answer.ts'
import type { Api } from './api.ts'
import { plain } from './blocks.ts'
import { readTyped, sayHelp } from './commands.ts'
import { isWord } from './fault.ts'
import type { Log } from './logger.ts'
import * as payload from './payload.ts'
import type { People } from './people.ts'
import { sayHome } from './say-home.ts'
import { askReason, home, outcome } from './views.ts'

export type DeskOptions = {
  readonly api: Api
  readonly people: People
  readonly reception: Reception
  readonly log: Log
  /** How long an answer may take before it is said to be on its way. Slack gives up after three seconds. */
  readonly patienceMs: number
}

type Ack<T> = (answer?: T) => Promise<void>

/** Takes what people do in Slack to the reception, and its answers back to them alone. Redraws no card. */
export class Desk {
  readonly #options: DeskOptions
  readonly #underway = new Set<Promise<void>>()

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** Everything that Bolt hands on: commands, buttons, forms and the app's own tab. */
  listen(app: App): void {
    app.command(/.*/, ({ body, ack }) => this.#track(this.#typed(body, ack)))
    app.action(/^qp:/, ({ body, ack }) => this.#track(this.#tapped(body, ack)))
    app.view<ViewSubmitAction>('qp_reason', ({ body, ack }) => this.#track(this.#submitted(body, ack)))
    app.event('app_home_opened', ({ body }) => this.#track(this.#opened(body)))
  }

  /** Resolves when nothing that was begun is unfinished. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  async #track(work: Promise<void>): Promise<void> {
    this.#underway.add(work)
    try {
      await work
    } finally {
      this.#underway.delete(work)
    }
  }

  async #typed(body: unknown, ack: Ack<RespondArguments>): Promise<void> {
    const typed = payload.Typed.parse(body)
    const visit = payload.visitOfTyped(typed)
    const work = this.#admit(visit, async (caller) => {
      const read = readTyped(typed.command, typed.text)
      if (read === null) return answerOf(sayHelp())
      if (!read.ok) return answerRefusal(read.refusal)
      if (isUnsaid(read.value)) return this.#begin(caller, visit, { trigger: typed.trigger_id, command: read.value })
      const result = await this.#options.reception.ask(caller, read.value)
      return result.ok ? answerReply(result.value) : answerRefusal(result.refusal)
    })
    const quick = await this.#soon(work)
    if (quick?.lines.length === 0) await ack()
    else await ack({ response_type: 'ephemeral', text: plain(quick?.lines ?? working) })
    const answer = await work
    if (quick === null && answer.lines.length > 0) await this.#whisper(visit, answer.lines)
    await this.#bring(visit, answer)
  }

  async #tapped(body: unknown, ack: Ack<never>): Promise<void> {
    const tapped = payload.Tapped.parse(body)
    const visit = payload.visitOfTapped(tapped)
    const [action] = tapped.actions
    const work = this.#admit(visit, async (caller) => {
      const result = await this.#options.reception.press(caller, action?.value ?? '')
      if (!result.ok) return answerRefusal(result.refusal)
      if (result.value.kind === 'reply') return answerReply(result.value.reply)
      return this.#askWhy(visit, tapped.trigger_id, result.value)
    })
    const quick = await this.#soon(work)
    await ack()
    if (quick === null) await this.#whisper(visit, working)
    const answer = await work
    if (answer.lines.length > 0) await this.#whisper(visit, answer.lines)
    await this.#bring(visit, answer)
  }

  async #begin(
    caller: Caller,
    visit: payload.Visit,
    { trigger, command }: { readonly trigger: string; readonly command: Unsaid },
  ): Promise<Answer> {
    const begun = await this.#options.reception.begin(caller, command)
    return begun.ok ? this.#askWhy(visit, trigger, begun.value) : answerRefusal(begun.refusal)
  }

  /** A trigger lives three seconds, so the form is opened here and nowhere later. */
  async #askWhy({ channel, isPrivate }: payload.Visit, trigger: string, { command, prompt }: Why): Promise<Answer> {
    const view = askReason(command, prompt, { channel, isPrivate })
    try {
      await this.#options.api.tell('views.open', { trigger_id: trigger, view })
    } catch (error) {
      if (isWord(error, 'exchanged_trigger_id')) return answerOf([])
      if (!isWord(error, 'expired_trigger_id', 'trigger_expired')) throw error
      return answerOf(['✗ Nothing was decided: it took too long to ask you why.', '  Do it once more.'])
    }
    return answerOf([])
  }

  async #submitted(body: unknown, ack: Ack<ViewResponseAction>): Promise<void> {
    const form = payload.Submitted.parse(body)
    const memory = payload.Remembered.parse(JSON.parse(form.view.private_metadata))
    const reason = (form.view.state.values.reason.reason.value ?? '').trim()
    if (reason === '')
      return ack({ response_action: 'errors', errors: { reason: 'Say why: it is kept with the decision.' } })
    const visit = payload.visitOfSubmitted(form, memory)
    const work = this.#admit(visit, async (caller) => {
      const result = await this.#options.reception.ask(caller, { ...memory.command, reason })
      return result.ok ? answerReply(result.value) : answerRefusal(result.refusal)
    })
    const quick = await this.#soon(work)
    if (quick?.isNo) return ack({ response_action: 'errors', errors: { reason: plain(quick.lines) } })
    await ack({ response_action: 'update', view: outcome(quick?.lines ?? working) })
    if (quick !== null) return
    const { lines } = await work
    try {
      await this.#options.api.tell('views.update', { view_id: form.view.id, view: outcome(lines) })
    } catch {
      // They have closed it: they hear it where they began.
      await this.#whisper(visit, lines)
    }
  }

  async #opened(body: unknown): Promise<void> {
    const opened = payload.Opened.parse(body)
    if (opened.event.tab !== 'home') return
    const { lines } = await this.#admit(payload.visitOfOpened(opened), (caller) => this.#lookAround(caller))
    try {
      await this.#options.api.tell('views.publish', {
        user_id: opened.event.user,
        view: home('Waiting for a decision', lines),
      })
    } catch (error) {
      this.#fail('the app home could not be drawn', error)
    }
  }

  /** What waits for decisions, with what waits for this person first. */
  async #lookAround(caller: Caller): Promise<Answer> {
    const { reception } = this.#options
    const [gates, me] = await Promise.all([
      reception.ask(caller, { kind: 'gates' }),
      reception.ask({ ...caller, deliveryId: `${caller.deliveryId} who` }, { kind: 'whoami' }),
    ])
    if (!gates.ok) return answerRefusal(gates.refusal)
    if (!me.ok) return answerRefusal(me.refusal)
    return gates.value.kind === 'gates' && me.value.kind === 'whoami'
      ? answerOf(sayHome(gates.value, me.value))
      : answerReply(gates.value)
  }

  /** Lets in whom Slack vouches for as a full member of our workspace; all others are told why not, and it is kept. */
  async #admit(visit: payload.Visit, work: (caller: Caller) => Promise<Answer>): Promise<Answer> {
    const { people, reception } = this.#options
    try {
      const { label, bar } = await people.who(visit.user, visit.team)
      const caller = payload.callerOf(visit, label)
      if (bar === null) return await work(caller)
      await reception.deny(caller, bar)
      const message = `QuantaPilot takes nothing from ${bar}.`
      return answerRefusal({ code: 'not_allowed', message, next: 'Ask a full member of this workspace.' })
    } catch (error) {
      this.#fail('something asked for in Slack failed', error)
      return answerFault()
    }
  }

  /** What the work came to, if it does so soon enough to acknowledge with it; else null. */
  async #soon(work: Promise<Answer>): Promise<Answer | null> {
    const done = new AbortController()
    const late = delay(this.#options.patienceMs, null, { signal: done.signal }).catch(() => null)
    try {
      return await Promise.race([work, late])
    } finally {
      done.abort()
    }
  }

  async #whisper(visit: payload.Visit, lines: readonly string[]): Promise<void> {
    try {
      await whisper(this.#options.api, visit, lines)
    } catch (error) {
      this.#fail('an answer did not reach a person in Slack', error)
    }
  }

  async #bring(visit: payload.Visit, { file }: Answer): Promise<void> {
    if (file === null) return
    try {
      await bring(this.#options.api, visit.user, file, this.#options.log)
    } catch (error) {
      this.#fail('a file did not reach a person in Slack', error)
      await this.#whisper(visit, [`✗ ${file.name} could not be sent to you.`, '  Ask for it again in a moment.'])
    }
  }

  #fail(message: string, error: unknown): void {
    this.#options.log('error', message, { error: error instanceof Error ? error.message : 'unknown' })
  }
}

const working = ['Working on it…']
