import { setTimeout as delay } from 'node:timers/promises'
import type { Command, Reply } from '../../core/commands/command.ts'
import { nearest } from '../../core/model/nearest.ts'
import type { Refusal, Result } from '../../core/model/problem.ts'
import { grammar } from '../grammar.ts'
import { isUnsaid, parseTyped } from '../parse-command.ts'
import { sayRefusal, sayReply } from '../phrase.ts'
import type { Caller, Pressed, Reception, Unsaid } from '../surface.ts'
import { drawConfirm, limits, marks } from './draw.ts'
import type { Incoming, Spot } from './read-update.ts'
import type { Voice } from './voice.ts'

/** Telegram's own clients give up on a button after some seconds; people before that. */
const workingAfterMs = 1_500

/** What one update has come to so far, kept while it is tried again. */
export type Progress = { isAnswered: boolean; taken: Unsaid | null }

type Did<K extends Incoming['kind']> = Extract<Incoming, { kind: K }>

/** Brings what people do to the reception and tells them what came of it. Throws what the reception throws: try again. */
export class Intake {
  readonly #reception: Reception
  readonly #voice: Voice
  readonly #questionOf: (data: string) => string | null

  constructor(reception: Reception, voice: Voice, questionOf: (data: string) => string | null) {
    this.#reception = reception
    this.#voice = voice
    this.#questionOf = questionOf
  }

  async take(incoming: Incoming, progress: Progress): Promise<void> {
    switch (incoming.kind) {
      case 'nothing':
        return
      case 'command':
        return this.#command(incoming)
      case 'words':
        return this.#words(incoming, progress)
      case 'chatter':
        return this.#voice.say(incoming.spot, hint)
      case 'moved':
        return this.#voice.say(incoming.spot, sayMoved(incoming))
      case 'press':
        return this.#press(incoming, progress)
      case 'denied':
        return this.#deny(incoming, progress)
    }
  }

  async #command({ words, isAddressed, caller, spot }: Did<'command'>): Promise<void> {
    const asked = linkOf(words)
    const name = asked[0]?.toLowerCase() ?? ''
    if (name === 'help' || (name === 'start' && asked.length === 1))
      return isAddressed ? this.#voice.say(spot, help) : undefined
    const parsed = parseTyped(asked)
    if (parsed.ok) {
      const { value } = parsed
      return isUnsaid(value) ? this.#begin(caller, value, spot) : this.#ask(caller, value, spot)
    }
    // In a group it may well be a command for another bot.
    if (!isAddressed && !(name in grammar) && nearest(name, Object.keys(grammar)) === null) return
    await this.#refuse(spot, parsed.refusal)
  }

  async #begin(caller: Caller, command: Unsaid, spot: Spot): Promise<void> {
    const begun = await this.#reception.begin(caller, command)
    if (begun.ok) await this.#askForWords(caller, spot, { ...begun.value.command, prompt: begun.value.prompt })
    else await this.#refuse(spot, begun.refusal)
  }

  async #ask(caller: Caller, command: Command, spot: Spot): Promise<void> {
    const result = await this.#reception.ask(caller, command)
    if (result.ok) await this.#voice.reply(spot, result.value)
    else await this.#refuse(spot, result.refusal)
  }

  async #refuse(spot: Spot, refusal: Refusal): Promise<void> {
    await this.#voice.say(spot, sayRefusal(refusal).map(tappable))
  }

  /** The words a message of ours asked for; a reply to any other message of ours is chatter. */
  async #words({ caller, prompt, text, spot }: Did<'words'>, progress: Progress): Promise<void> {
    progress.taken ??= await this.#reception.takeWords(caller, prompt)
    if (progress.taken === null) {
      if (spot.isPrivate) await this.#voice.say(spot, hint)
    } else if (text === null)
      await this.#askForWords(caller, spot, { ...progress.taken, prompt: 'Please say it in words.' })
    else await this.#ask(caller, { ...progress.taken, reason: text }, spot)
  }

  async #askForWords(caller: Caller, spot: Spot, { prompt, ...command }: Unsaid & { prompt: string }): Promise<void> {
    const message = await this.#voice.askForWords(spot, prompt)
    await this.#reception.expectWords(caller, String(message), command)
  }

  async #press(pressed: Did<'press'>, progress: Progress): Promise<void> {
    const { data, query, spot } = pressed
    if (data === marks.leave) {
      await this.#voice.close(spot, 'message')
      await this.#answer(query, progress, 'Nothing was done.')
    } else if (data.startsWith(marks.ask)) {
      await this.#confirm(pressed)
      await this.#answer(query, progress, '')
    } else await this.#decide(pressed, progress)
  }

  async #confirm({ data, label, spot }: Did<'press'>): Promise<void> {
    const meant = data.slice(marks.ask.length)
    // Telegram does not say what stood on a button of a message that it cannot get any more, and takes no button without words.
    const name = label || `Yes, ${/\.([a-z]+)$/.exec(meant)?.[1] ?? 'do it'}`
    const question = this.#questionOf(data) ?? `${name}? This cannot be undone.`
    await this.#voice.askToConfirm(spot, question, drawConfirm(name, meant))
  }

  async #decide({ caller, data, query, spot }: Did<'press'>, progress: Progress): Promise<void> {
    const isSure = data.startsWith(marks.sure)
    const pressing = this.#reception.press(caller, isSure ? data.slice(marks.sure.length) : data)
    if (await isSlow(pressing)) await this.#answer(query, progress, 'Working on it…')
    await this.#tell(await pressing, { caller, query, spot }, progress)
    if (isSure) await this.#voice.close(spot, 'buttons')
  }

  async #tell(result: Result<Pressed>, at: Pick<Did<'press'>, 'caller' | 'query' | 'spot'>, progress: Progress) {
    const { caller, query, spot } = at
    if (!result.ok) {
      const lines = sayRefusal(result.refusal).map(tappable)
      const text = lines.map((line) => line.trim()).join('\n')
      const isTold = await this.#answer(query, progress, text, true)
      if (!isTold || text.length > limits.alert) await this.#voice.sayInPrivate(spot, lines)
    } else if (result.value.kind === 'reason') {
      const { command, prompt } = result.value
      await this.#askForWords(caller, spot, { ...command, prompt })
      await this.#answer(query, progress, 'Say it in a reply to my message.')
    } else await this.#tellReply(result.value.reply, at, progress)
  }

  async #tellReply(reply: Reply, { query, spot }: Pick<Did<'press'>, 'query' | 'spot'>, progress: Progress) {
    const text = isShort(reply) ? sayReply(reply).join('\n') : ''
    const isTold = await this.#answer(query, progress, text)
    if (!isTold || text === '' || text.length > limits.alert) await this.#voice.reply(spot, reply)
  }

  async #deny({ caller, why, query, spot, isMute }: Did<'denied'>, progress: Progress): Promise<void> {
    await this.#reception.deny(caller, why)
    const lines = ['✗ Only a person who speaks for themselves can do this.', `  This was not done: ${why}.`]
    if (query !== null) await this.#answer(query, progress, lines.join('\n'), true)
    else if (!isMute) await this.#voice.sayInPrivate(spot, lines)
  }

  /** Tells the person that the update was put aside. */
  async giveUp(incoming: Incoming, progress: Progress): Promise<void> {
    if (incoming.kind === 'nothing') return
    const sentence = '✗ This could not be done. Whoever runs me has been told.'
    const isTold = incoming.kind === 'press' && (await this.#answer(incoming.query, progress, sentence, true))
    if (!isTold) await this.#voice.say(incoming.spot, [sentence])
  }

  /** Once per update, however often it is tried: Telegram takes no second answer. False when this one told nothing. */
  async #answer(query: string, progress: Progress, text: string, isAlert = false): Promise<boolean> {
    if (progress.isAnswered) return false
    progress.isAnswered = true
    return this.#voice.answer(query, text, isAlert)
  }
}

/** A decision or a change, which the card shows as well. */
const isShort = ({ kind }: Reply): boolean => kind === 'voted' || kind === 'changed' || kind === 'started'

async function isSlow(work: Promise<unknown>): Promise<boolean> {
  const enough = new AbortController()
  const slow = delay(workingAfterMs, true, { signal: enough.signal, ref: false }).catch(() => false)
  const settled = work.then(
    () => false,
    () => false,
  )
  const result = await Promise.race([slow, settled])
  enough.abort()
  return result
}

/** `/start link_abc`, which is what a link to the bot types: `/link abc`. */
function linkOf(words: readonly string[]): readonly string[] {
  const [name = '', payload = ''] = words
  const code = name.toLowerCase() === 'start' ? /^link_(.+)$/.exec(payload)?.[1] : undefined
  return code === undefined ? words : ['link', code]
}

/** A slash makes a command one that can be tapped. */
const tappable = (line: string): string =>
  line
    .replace(/Did you mean (\w+)/, (whole, name: string) => (name in grammar ? `Did you mean /${name}` : whole))
    .replace(/\bSee help\.$/, 'See /help.')

const help = ['What you can ask for here', ...Object.values(grammar).map(({ usage, says }) => `/${usage}: ${says}`)]

/** Cards of the old group stay behind in it, and no more come. */
const sayMoved = ({ before, spot }: Did<'moved'>): readonly string[] => [
  'This group has become a supergroup, which is another chat to me.',
  'Say /subscribe to see runs here again, /gates for what waits.',
  `Whoever runs me: TELEGRAM_CHAT_ID is ${spot.chat} now, if it was ${before}.`,
]

const hint = ['I only act on commands.', 'Begin with a slash: /runs, /gates, /help']
