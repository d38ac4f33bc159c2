import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Command, Reply } from '../../core/commands/command.ts'
import { accepted, Fault, refused } from '../../core/model/problem.ts'
import type { BotApi, Person } from '../../test/support/telegram/bot-api.ts'
import { awayFault, RecordedReception } from '../../test/support/telegram/reception.ts'
import { allTaken, ann, bob, openRoom, places, startIn, textsIn } from '../../test/support/telegram/room.ts'
import type { Post, Unsaid } from '../surface.ts'

const whoami: Reply = { kind: 'whoami', label: 'Ann Lee', pseudonym: 'heron', roles: ['approver'] }
const reject: Unsaid = { kind: 'reject', run: 'r7k2', gate: 'plan', sha256: 'a'.repeat(64) }

const aPost = (more: Partial<Post> = {}): Post => ({
  lines: ['● Run r7k2 waits'],
  buttons: [
    { label: 'Approve', data: 'g_yes', style: 'primary', confirm: null },
    { label: 'Reject', data: 'g_no', style: 'danger', confirm: null },
    { label: 'Cancel run', data: 'g_end', style: 'danger', confirm: 'Stop run r7k2 for good?' },
  ],
  under: null,
  isLoud: true,
  ...more,
})

/** Presses a button of a new card in the group. */
async function pressOnCard(api: BotApi, { telegram }: ReturnType<typeof startIn>, label: string, who: Person = ann) {
  const place = (await telegram.post(String(places.group), aPost())) as { message: number }
  api.press(places.group, place.message, who, label)
  return place.message
}

const answers = (api: BotApi) => api.effects('answerCallbackQuery').map(({ payload }) => payload)

describe('a command', () => {
  test('is asked as the person who wrote it, and answered under their message', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    reception.answerTo = () => accepted(whoami)
    const { update_id, message } = api.write(places.group, ann, '/whoami@our_bot')
    await allTaken(api)
    expect(reception.memory.asked).toMatchObject([
      {
        caller: {
          surface: 'telegram',
          account: '5512',
          label: 'Ann Lee',
          address: '-42',
          deliveryId: String(update_id),
        },
        command: { kind: 'whoami' },
      },
    ])
    expect(api.chats.ofBot(places.group)).toMatchObject([
      {
        text: 'You are Ann Lee (heron). Roles: approver.',
        reply_parameters: { message_id: (message as { message_id: number }).message_id },
      },
    ])
  })

  test.each([
    ['/staus r7k2', /There is no command staus[^]*Did you mean \/status r7k2\?/],
    ['/approve nonsense', /nonsense is not a run/],
    ['/help', /\/approve <run>/],
    ['/start', /What you can ask for here/],
    ['hello', /I only act on commands/],
  ])('%s in private is answered with the next step', async (text, words) => {
    const api = await openRoom()
    const { reception } = startIn(api)
    api.write(places.ann, ann, text)
    await allTaken(api)
    expect(textsIn(api, places.ann)).toEqual([expect.stringMatching(words)])
    expect(reception.memory.asked).toEqual([])
  })

  test.each([
    ['what people say', 'approve r7k2, says Bob'],
    ['a command for another bot', '/approve@other_bot r7k2'],
    ['a command that another bot may know', '/weather'],
    ['what every bot hears', '/start'],
  ])('in a group, %s is left alone', async (_, text) => {
    const api = await openRoom()
    const { reception } = startIn(api)
    api.write(places.group, ann, text)
    await allTaken(api)
    expect(api.chats.ofBot(places.group)).toEqual([])
    expect(reception.memory.asked).toEqual([])
  })

  test('a link with a code is the link command', async () => {
    const api = await openRoom()
    const { reception, telegram } = startIn(api)
    expect(await telegram.invite('K4TR-92QM')).toBe('https://t.me/our_bot?start=link_K4TR-92QM')
    // What a tap on it makes Telegram write.
    api.write(places.ann, ann, '/start link_K4TR-92QM')
    await allTaken(api)
    expect(reception.memory.asked).toMatchObject([{ command: { kind: 'link', code: 'K4TR-92QM' } }])
  })

  test('a long answer comes as a document, even where the first answer of Telegram is lost', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    reception.answerTo = () =>
      accepted({ kind: 'file', name: 'docs/ANCHOR.md', sha256: 'a'.repeat(64), text: '# Wäre\n' })
    api.trouble('sendDocument', '500', 'reset')
    api.write(places.forum, ann, '/artifacts r7k2 ANCHOR.md', { is_topic_message: true, message_thread_id: 17 })
    await allTaken(api)
    expect(api.chats.ofBot(places.forum)).toMatchObject([
      {
        message_thread_id: 17,
        caption: 'docs/ANCHOR.md · sha aaaaaaaaaaaa',
        document: { name: 'ANCHOR.md', text: '# Wäre\n' },
      },
    ])
    expect(reception.memory.asked).toHaveLength(1)
  })

  test('that is refused says why and what next', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    reception.answerTo = () => refused('not_allowed', 'You may not cancel.', 'Ask an operator.')
    api.write(places.group, bob, '/cancel r7k2')
    await allTaken(api)
    expect(textsIn(api, places.group)).toEqual(['✗ You may not cancel.\n  Ask an operator.'])
  })

  test('answers wait as long as Telegram asks, and no call comes before', async () => {
    const api = await openRoom()
    api.hasLimits = true
    startIn(api)
    api.write(places.ann, ann, '/gates')
    api.write(places.ann, ann, '/gates')
    await allTaken(api)
    const [first, second] = api.effects('sendMessage').map(({ at }) => at)
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(1_000)
    expect(api.calls.filter(({ method }) => method === 'sendMessage')).toHaveLength(3)
  })

  test('an answer that must wait for a minute keeps nobody else waiting', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    api.trouble('sendMessage', 'flood')
    api.write(places.group, ann, '/gates')
    await allTaken(api)
    api.write(places.ann, ann, '/gates')
    await allTaken(api)
    expect(reception.memory.asked).toHaveLength(2)
    expect(textsIn(api, places.ann)).toEqual(['Nothing waits for a decision.'])
  })

  test('the list of commands is told to Telegram', async () => {
    const api = await openRoom()
    startIn(api)
    await expect.poll(() => api.effects('setMyCommands')).toHaveLength(1)
    const commands = z
      .array(z.object({ command: z.string(), description: z.string() }))
      .parse(api.effects('setMyCommands')[0]?.payload['commands'])
    expect(commands).toContainEqual({
      command: 'gates',
      description: 'everything that waits for a decision, the oldest first, 50 a page',
    })
    // https://core.telegram.org/bots/api#botcommand; one command that breaks a rule would lose the whole list.
    expect(commands.length).toBeLessThanOrEqual(100)
    for (const { command, description } of commands) {
      expect(command).toMatch(/^[a-z0-9_]{1,32}$/)
      expect(description.length, command).toBeLessThanOrEqual(256)
      expect(description.length, command).toBeGreaterThan(0)
    }
  })
})

describe('who is no person', () => {
  const anonymous = { id: 1_087_968_824, is_bot: true, first_name: 'Group' }
  test.each([
    ['an anonymous admin', anonymous, { sender_chat: { id: -42 } }, 1],
    ['a bot', { ...bob, is_bot: true }, {}, 0],
    ['a forwarded message', ann, { forward_origin: { type: 'hidden_user' } }, 1],
    ['a message by way of another bot', ann, { via_bot: { id: 3 } }, 1],
  ])('%s decides nothing, which is audited', async (_, from, more, told) => {
    const api = await openRoom()
    api.chats.kick(ann.id)
    const { reception } = startIn(api)
    api.write(places.group, from, '/approve r7k2', more)
    await allTaken(api)
    expect(reception.memory.asked).toEqual([])
    expect(reception.memory.denied).toHaveLength(1)
    expect(api.chats.ofBot(places.group)).toHaveLength(told)
  })

  test('the person is told in private if they ever spoke to the bot', async () => {
    const api = await openRoom()
    startIn(api)
    api.write(places.group, ann, '/approve r7k2', { forward_date: 1 })
    await allTaken(api)
    expect(api.chats.ofBot(places.group)).toEqual([])
    expect(textsIn(api, places.ann)).toEqual([expect.stringContaining('forwarded message is somebody else’s')])
  })

  test('an anonymous press is answered by an alert and reaches nothing', async () => {
    const api = await openRoom()
    const running = startIn(api)
    await pressOnCard(api, running, 'Approve', anonymous)
    await allTaken(api)
    expect(running.reception.memory).toMatchObject({ pressed: [], denied: [{ caller: { account: '1087968824' } }] })
    expect(answers(api)).toMatchObject([{ show_alert: true }])
  })

  test('edits and captions are not even looked at', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    api.happen({ edited_message: { ...api.chats.hear(places.group, { from: ann, text: '/approve r7k2' }) } })
    api.write(places.group, ann, null, { caption: '/approve r7k2' })
    await allTaken(api)
    expect(reception.memory).toMatchObject({ asked: [], denied: [], quarantined: [] })
  })
})

describe('a button', () => {
  test('does what it stands for, once, and says what came of it', async () => {
    const api = await openRoom()
    const running = startIn(api)
    running.reception.pressTo = () => accepted({ kind: 'reply', reply: whoami })
    const card = await pressOnCard(api, running, 'Approve')
    await allTaken(api)
    expect(running.reception.memory.pressed).toMatchObject([
      { data: 'g_yes', caller: { account: '5512', address: '-42' } },
    ])
    expect(answers(api)).toHaveLength(1)
    // The card itself is redrawn by whoever posted it; the press sends it to nobody again.
    expect(api.chats.ofBot(places.group).filter(({ text }) => text === '● Run r7k2 waits')).toMatchObject([
      { message_id: card },
    ])
  })

  test('that is refused tells the one who pressed, and nobody else', async () => {
    const api = await openRoom()
    const running = startIn(api)
    running.reception.pressTo = () => refused('already_decided', 'Bob approved this at 14:05.', 'See /status r7k2')
    await pressOnCard(api, running, 'Approve')
    await allTaken(api)
    expect(answers(api)).toMatchObject([{ show_alert: true, text: '✗ Bob approved this at 14:05.\nSee /status r7k2' }])
    expect(api.chats.ofBot(places.group)).toHaveLength(1)
  })

  test('that takes long is answered in between, and what came of it is told by message', async () => {
    const api = await openRoom()
    const running = startIn(api)
    const { promise, resolve } = Promise.withResolvers<void>()
    running.reception.moment = (when) => (when === 'before' ? promise : Promise.resolve())
    running.reception.pressTo = () => accepted({ kind: 'reply', reply: whoami })
    await pressOnCard(api, running, 'Approve')
    await expect.poll(() => answers(api), { timeout: 5_000 }).toMatchObject([{ text: 'Working on it…' }])
    resolve()
    await allTaken(api)
    expect(api.calls.filter(({ method }) => method === 'answerCallbackQuery')).toHaveLength(1)
    expect(textsIn(api, places.group)).toContain('You are Ann Lee (heron). Roles: approver.')
  })

  test('that was pressed too long ago is still done, and told by message', async () => {
    const api = await openRoom()
    const running = startIn(api)
    const { promise, resolve } = Promise.withResolvers<void>()
    running.reception.moment = () => promise
    running.reception.pressTo = () => refused('stale', 'The document has changed since.')
    await pressOnCard(api, running, 'Approve')
    api.pass(16_000)
    resolve()
    await allTaken(api)
    expect(answers(api)).toEqual([])
    expect(textsIn(api, places.ann)).toEqual(['✗ The document has changed since.'])
  })

  test.each(['Cancel run', 'Cancel'])('for what cannot be undone asks first, and then “%s” decides', async (choice) => {
    const api = await openRoom()
    const running = startIn(api)
    running.reception.pressTo = () => accepted({ kind: 'reply', reply: whoami })
    await pressOnCard(api, running, 'Cancel run')
    await allTaken(api)
    expect(running.reception.memory.pressed).toEqual([])
    const question = api.chats.ofBot(places.group).at(-1)
    expect(question?.text).toBe('Stop run r7k2 for good?')
    api.press(places.group, question?.message_id ?? 0, ann, choice)
    await allTaken(api)
    expect(running.reception.memory.pressed.map(({ data }) => data)).toEqual(choice === 'Cancel' ? [] : ['g_end'])
    const left = api.chats.ofBot(places.group).find(({ message_id }) => message_id === question?.message_id)
    expect(left?.reply_markup?.inline_keyboard).toBeUndefined()
    expect(answers(api)).toHaveLength(2)
  })

  test('asks first even when the process that drew it is gone', async () => {
    const api = await openRoom()
    const first = startIn(api)
    await first.telegram.stop()
    await pressOnCard(api, first, 'Cancel run')
    startIn(api, 'two')
    await allTaken(api)
    expect(textsIn(api, places.group).at(-1)).toBe('Cancel run? This cannot be undone.')
  })
})

describe('a decision that needs words', () => {
  async function askedForWords() {
    const api = await openRoom()
    const running = startIn(api)
    running.reception.pressTo = () => accepted({ kind: 'reason', command: reject, prompt: 'Why is it rejected?' })
    await pressOnCard(api, running, 'Reject')
    await allTaken(api)
    const prompt = api.chats.ofBot(places.group).at(-1)
    const reply = (from: Person, text: string | null, to = prompt) =>
      api.write(places.group, from, text, { reply_to_message: to })
    return { api, reception: running.reception, prompt, reply }
  }

  test('asks the one person by name, and takes the reply as the reason', async () => {
    const { api, reception, prompt, reply } = await askedForWords()
    expect(prompt).toMatchObject({
      text: 'Ann Lee: Why is it rejected?\nAnswer by replying to this message.',
      reply_markup: { force_reply: true, selective: true },
      entities: [{ type: 'text_mention', offset: 0, length: 7 }],
    })
    reply(ann, 'Too big.')
    await allTaken(api)
    const command: Command = { ...reject, reason: 'Too big.' }
    expect(reception.memory.asked).toMatchObject([{ command, caller: { account: '5512' } }])
  })

  test('asks for them also when it was typed without, and holds it to what was open then', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    const pinned = { kind: 'changes', run: 'r7k2', gate: 'g1', sha256: 'ab' } as const
    reception.beginTo = () => accepted({ kind: 'reason', command: pinned, prompt: 'What should change in run r7k2?' })
    api.write(places.group, ann, '/changes r7k2')
    await allTaken(api)
    const prompt = api.chats.ofBot(places.group).at(-1)
    expect(prompt).toMatchObject({ text: expect.stringContaining('What should change') as string })
    expect(reception.memory.asked).toEqual([])
    api.write(places.group, ann, 'Smaller.', { reply_to_message: prompt })
    await allTaken(api)
    expect(reception.memory.asked).toMatchObject([{ command: { ...pinned, reason: 'Smaller.' } }])
  })

  test('are not asked for when they could not count', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    reception.beginTo = () => refused('not_found', 'Run r7k2 has no such open gate.', 'See /status r7k2.')
    api.write(places.group, ann, '/reject r7k2')
    await allTaken(api)
    expect(textsIn(api, places.group).at(-1)).toContain('no such open gate')
    expect(reception.memory.expected.size).toBe(0)
  })

  test('keeps the words while the decision is tried again', async () => {
    const { api, reception, reply } = await askedForWords()
    const { update_id } = reply(ann, 'Too big.')
    const take = reception.takeWords.bind(reception)
    let takes = 0
    reception.takeWords = (caller, prompt) => (takes++ === 0 ? take(caller, prompt) : Promise.resolve(null))
    let failures = 2
    reception.moment = (_, id) =>
      id === String(update_id) && failures-- > 0 ? Promise.reject(awayFault()) : Promise.resolve()
    await allTaken(api)
    expect(reception.memory.asked).toMatchObject([{ command: { reason: 'Too big.' } }])
  })

  test('takes nobody else’s', async () => {
    const { api, reception, reply } = await askedForWords()
    reply(bob, 'Too big.')
    await allTaken(api)
    expect(reception.memory.asked).toEqual([])
  })

  test.each([
    ['a picture', null],
    ['nothing but spaces', '   '],
  ])('%s is no reason: it asks again', async (_, text) => {
    const { api, reception, reply } = await askedForWords()
    reply(ann, text)
    await allTaken(api)
    expect(reception.memory.asked).toEqual([])
    const again = api.chats.ofBot(places.group).at(-1)
    expect(again?.text).toContain('Please say it in words.')
    reply(ann, 'Too big.', again)
    await allTaken(api)
    expect(reception.memory.asked).toMatchObject([{ command: { kind: 'reject', reason: 'Too big.' } }])
  })
})

describe('polling', () => {
  test('an update is tried again until it is taken in, and nothing is confirmed before', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    let failures = 3
    reception.moment = (when) => (when === 'before' && failures-- > 0 ? Promise.reject(awayFault()) : Promise.resolve())
    api.write(places.ann, ann, '/gates')
    await allTaken(api)
    expect(reception.memory.asked).toHaveLength(1)
    expect(reception.memory.quarantined).toEqual([])
  })

  test('what fails ten times is put aside, loudly, and the rest goes on', async () => {
    const api = await openRoom()
    const { reception, log } = startIn(api)
    const poison = api.write(places.ann, ann, '/gates')
    let tries = 0
    reception.moment = (_, id) =>
      id === String(poison.update_id) ? (tries++, Promise.reject(new Error('poison'))) : Promise.resolve()
    api.write(places.ann, ann, '/whoami')
    await allTaken(api)
    expect(tries).toBe(10)
    expect(reception.memory.quarantined).toMatchObject([
      { source: 'telegram', deliveryId: String(poison.update_id), body: { update_id: poison.update_id } },
    ])
    expect(reception.memory.asked).toMatchObject([{ command: { kind: 'whoami' } }])
    expect(log.join('\n')).toContain('error an update was put aside')
    expect(textsIn(api, places.ann)[0]).toContain('could not be done')
  })

  test('what cannot even be put aside is kept', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    let isAway = true
    let refusals = 0
    reception.moment = () => (isAway ? Promise.reject(awayFault()) : Promise.resolve())
    reception.quarantine = () => (refusals++, Promise.reject(awayFault()))
    api.write(places.ann, ann, '/gates')
    await expect.poll(() => refusals, { timeout: 5_000 }).toBeGreaterThan(1)
    expect(api.waiting).toBe(1)
    isAway = false
    await allTaken(api)
    expect(reception.memory.asked).toHaveLength(1)
  })

  test('updates of one chat are taken in order, while another chat does not wait', async () => {
    const api = await openRoom()
    const reception = new RecordedReception()
    const { promise, resolve } = Promise.withResolvers<void>()
    const first = api.write(places.ann, ann, '/status r7k2')
    api.write(places.ann, ann, '/gates')
    api.write(places.group, bob, '/whoami')
    reception.moment = (when, id) => (when === 'before' && id === String(first.update_id) ? promise : Promise.resolve())
    startIn(api, 'one', {}, reception)
    const kinds = () => reception.memory.asked.map(({ command }) => command.kind)
    await expect.poll(kinds).toEqual(['whoami'])
    resolve()
    await allTaken(api)
    expect(kinds()).toEqual(['whoami', 'status', 'gates'])
  })

  test('stops within a second, also in the middle of a long poll, and confirms what it took in', async () => {
    const api = await openRoom()
    const { telegram, ended } = startIn(api)
    api.write(places.ann, ann, '/gates')
    await allTaken(api)
    await expect.poll(() => api.calls.filter(({ method }) => method === 'getUpdates').length).toBeGreaterThan(1)
    const begun = performance.now()
    await telegram.stop()
    expect(performance.now() - begun).toBeLessThan(1_000)
    expect(await ended).toBe('stopped')
  })

  test('a stop while something is being taken in confirms it when it is durable', async () => {
    const api = await openRoom()
    const { telegram, reception, ended } = startIn(api)
    const { promise, resolve } = Promise.withResolvers<void>()
    let isBegun = false
    reception.moment = () => ((isBegun = true), promise)
    api.write(places.ann, ann, '/gates')
    await expect.poll(() => isBegun).toBe(true)
    const stopped = telegram.stop()
    resolve()
    await stopped
    expect(await ended).toBe('stopped')
    expect(reception.memory.asked).toHaveLength(1)
    expect(api.waiting).toBe(0)
  })

  test('a stop while something fails leaves it for the next process', async () => {
    const api = await openRoom()
    const { telegram, reception, ended } = startIn(api, 'one', { backoff: { baseMs: 60_000, capMs: 60_000 } })
    let isBegun = false
    reception.moment = () => ((isBegun = true), Promise.reject(awayFault()))
    api.write(places.ann, ann, '/gates')
    await expect.poll(() => isBegun).toBe(true)
    await telegram.stop()
    await ended
    const next = startIn(api, 'two', {}, new RecordedReception(reception.memory))
    await allTaken(api)
    expect(next.reception.memory.asked).toHaveLength(1)
  })

  test('a wrong token ends it with a sentence that names the variable and not the token', async () => {
    const api = await openRoom()
    const { ended, log } = startIn(api, 'one', { token: '999:canary-wrong-token' })
    const error = await ended
    expect(error).toBeInstanceOf(Fault)
    expect(String(error)).toContain('TELEGRAM_BOT_TOKEN')
    expect([String(error), ...log].join('\n')).not.toContain('canary')
  })

  test('a second poller is told in a sentence, and nothing is lost between the two', async () => {
    const api = await openRoom()
    const one = startIn(api)
    await expect.poll(() => api.calls.some(({ method }) => method === 'getUpdates')).toBe(true)
    const two = startIn(api, 'two', {}, new RecordedReception(one.reception.memory))
    await expect.poll(() => [...one.log, ...two.log].join('\n')).toContain('Another process reads this bot’s updates')
    await two.telegram.stop()
    api.write(places.ann, ann, '/gates')
    await allTaken(api)
    expect(one.reception.memory.asked).toHaveLength(1)
  })

  test('a network that comes and goes is waited for, and the token stays out of the log', async () => {
    const api = await openRoom()
    api.trouble('getMe', 'reset', '500')
    api.trouble('getUpdates', 'html', 'odd', 'reset', '500')
    api.write(places.ann, ann, '/gates')
    const { reception, log } = startIn(api)
    await allTaken(api)
    expect(reception.memory.asked).toHaveLength(1)
    expect(log.length).toBeGreaterThan(4)
    expect(log.join('\n')).not.toContain('canary')
  })

  test('what nobody can read is put aside at once', async () => {
    const api = await openRoom()
    const { reception } = startIn(api)
    api.happen({ message: { chat: 'nonsense' } })
    await allTaken(api)
    expect(reception.memory.quarantined).toMatchObject([{ why: expect.stringContaining('cannot be read') }])
  })
})

describe('a process that dies', () => {
  type Death = (api: BotApi, reception: RecordedReception) => void
  const during =
    (wanted: 'before' | 'after'): Death =>
    (api, reception) => {
      reception.moment = (when) => {
        if (when !== wanted) return Promise.resolve()
        api.kill('one')
        return new Promise(() => undefined)
      }
    }
  const calling =
    (method: string, trouble: 'die before' | 'die after'): Death =>
    (api) =>
      api.trouble(method, trouble)
  const points: readonly (readonly [string, Death, isTaken: boolean])[] = [
    ['with the update in its hands, before it is durable', during('before'), false],
    ['when it is durable, before the person is told', during('after'), true],
    ['just before the person hears', calling('answerCallbackQuery', 'die before'), true],
    ['just after the person heard', calling('answerCallbackQuery', 'die after'), true],
    ['while it confirms the update', calling('getUpdates', 'die before'), true],
  ]

  /** A surface that is in the middle of its long poll. */
  async function polling() {
    const api = await openRoom()
    const running = startIn(api)
    running.reception.pressTo = () => refused('wrong_state', 'Said.')
    await expect.poll(() => api.calls.some(({ method }) => method === 'getUpdates')).toBe(true)
    return { api, running }
  }

  test.each(points)(
    '%s: the decision is neither lost nor made twice, and the person hears',
    async (_, death, isTaken) => {
      const { api, running } = await polling()
      const { memory } = running.reception
      death(api, running.reception)
      await pressOnCard(api, running, 'Approve')
      await expect.poll(() => api.isDead('one')).toBe(true)
      expect(memory.pressed).toHaveLength(isTaken ? 1 : 0)
      expect(api.waiting).toBe(1)
      const next = startIn(api, 'two', {}, new RecordedReception(memory))
      next.reception.pressTo = running.reception.pressTo
      await allTaken(api)
      expect(memory.pressed).toMatchObject([{ data: 'g_yes', caller: { account: '5512' } }])
      expect(answers(api)).toMatchObject([{ text: '✗ Said.' }])
    },
  )

  test('between taking the reason and deciding: the reason is not lost', async () => {
    const { api, running } = await polling()
    const { memory } = running.reception
    running.reception.pressTo = () => accepted({ kind: 'reason', command: reject, prompt: 'Why?' })
    await pressOnCard(api, running, 'Reject')
    await allTaken(api)
    during('before')(api, running.reception)
    const prompt = api.chats.ofBot(places.group).at(-1)
    api.write(places.group, ann, 'Too big.', { reply_to_message: prompt })
    await expect.poll(() => api.isDead('one')).toBe(true)
    startIn(api, 'two', {}, new RecordedReception(memory))
    await allTaken(api)
    expect(memory.asked).toMatchObject([{ command: { ...reject, reason: 'Too big.' } }])
  })
})

describe('deliveries by webhook', () => {
  const secret = 'canary-webhook-secret-1'
  const header = { 'x-telegram-bot-api-secret-token': secret }
  const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

  async function listening() {
    const api = await openRoom()
    const running = startIn(api, 'hook', { webhook: { url: 'https://bot.example.org/telegram', secret } })
    await expect.poll(() => api.webhook).not.toBeNull()
    await expect.poll(() => running.telegram.handleWebhook(header, bytes({ update_id: 1 }))).toBe(200)
    return { api, ...running }
  }

  test('the address and the secret are told to Telegram, and are taken back by a bot that polls', async () => {
    const { api, telegram } = await listening()
    expect(api.webhook).toMatchObject({ url: 'https://bot.example.org/telegram', secret_token: secret })
    await telegram.stop()
    startIn(api, 'poller')
    await expect.poll(() => api.webhook).toBeNull()
  })

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['a wrong one of the same length', 'x'.repeat(secret.length)],
    ['the beginning of it', secret.slice(0, -1)],
    ['more than it', `${secret}1`],
    ['two', [secret, secret]],
  ])('with %s for a secret are turned away unread', async (_, given) => {
    const { telegram, reception, api } = await listening()
    const update = api.write(places.ann, ann, '/gates')
    const headers = { 'x-telegram-bot-api-secret-token': given }
    expect(await telegram.handleWebhook(headers, bytes(update))).toBe(401)
    expect(await telegram.handleWebhook(headers, bytes('{ no json'))).toBe(401)
    expect(reception.memory.asked).toEqual([])
  })

  test('are said to be taken only when they are durable, and come once however often they are brought', async () => {
    const { telegram, reception, api } = await listening()
    const update = api.write(places.ann, ann, '/gates')
    let isAway = true
    reception.moment = () => (isAway ? Promise.reject(awayFault()) : Promise.resolve())
    expect(await telegram.handleWebhook(header, bytes(update))).toBe(503)
    isAway = false
    const statuses = await Promise.all([1, 2, 3].map(() => telegram.handleWebhook(header, bytes(update))))
    expect(statuses).toEqual([200, 200, 200])
    expect(reception.memory.asked).toHaveLength(1)
    expect(textsIn(api, places.ann)).toEqual(['Nothing waits for a decision.'])
  })

  test('out of order are each taken, once', async () => {
    const { telegram, reception, api } = await listening()
    const updates = [api.write(places.ann, ann, '/gates'), api.write(places.ann, ann, '/whoami')]
    for (const update of [...updates.toReversed(), ...updates])
      expect(await telegram.handleWebhook(header, bytes(update))).toBe(200)
    expect(reception.memory.asked.map(({ command }) => command.kind)).toEqual(['whoami', 'gates'])
  })

  test('are the same deliveries as by polling', async () => {
    const { telegram, reception, api } = await listening()
    const update = api.write(places.ann, ann, '/gates')
    expect(await telegram.handleWebhook(header, bytes(update))).toBe(200)
    await telegram.stop()
    startIn(api, 'poller', {}, new RecordedReception(reception.memory))
    await allTaken(api)
    expect(reception.memory.asked).toHaveLength(1)
  })

  test('that fail ten times are put aside', async () => {
    const { telegram, reception, api } = await listening()
    const update = api.write(places.ann, ann, '/gates')
    reception.moment = () => Promise.reject(awayFault())
    const statuses: number[] = []
    for (let n = 0; n < 10; n++) statuses.push(await telegram.handleWebhook(header, bytes(update)))
    expect(statuses).toEqual([...Array.from({ length: 9 }, () => 503), 200])
    expect(reception.memory.quarantined).toMatchObject([{ deliveryId: String(update.update_id) }])
  })

  test('that are no JSON are refused, and those that come to a bot that polls or has stopped are not taken', async () => {
    const { telegram, api } = await listening()
    expect(await telegram.handleWebhook(header, bytes('{ no json'))).toBe(400)
    await telegram.stop()
    expect(await telegram.handleWebhook(header, bytes({ update_id: 1 }))).toBe(503)
    const poller = startIn(api, 'poller')
    expect(await poller.telegram.handleWebhook(header, bytes({ update_id: 1 }))).toBe(401)
  })
})
