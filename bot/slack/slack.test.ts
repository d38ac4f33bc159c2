import { describe, expect, it, test, vi } from 'vitest'
import { accepted, Fault, refused } from '../../core/model/problem.ts'
import { botToken, person } from '../../test/support/slack/fake.ts'
import { ada, encode, openSlackRoom, signingSecret } from '../../test/support/slack/open.ts'
import { commandOf, homeOf, pressOf, signed, submissionOf } from '../../test/support/slack/sign.ts'
import type { Unsaid } from '../surface.ts'

const unsaid: Unsaid = { kind: 'reject', run: 'r7k2', gate: 'anchor', sha256: 'ab12' }
const askingWhy = () => accepted({ kind: 'reason', command: unsaid, prompt: 'Why?' } as const)

/** A promise that the test lets go of. */
function held<T>(): { promise: Promise<T>; release: (value: T) => void } {
  let release: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => {
    release = resolve
  })
  return { promise, release }
}

describe('a request over HTTP', () => {
  it.each([-301, 302])('signed for %i seconds from now is answered 401 and not read', async (skew) => {
    const { slack, reception, fake } = await openSlackRoom()
    const raw = encode('commands', commandOf(ada, '/qp', 'gates', ''))
    const answer = await slack.handleRequest('commands', signed(signingSecret, raw, skew), Buffer.from(raw))
    expect([answer.status, reception.asked, fake.calls]).toEqual([401, [], []])
  })

  it('that is not signed is not even parsed', async () => {
    const { slack } = await openSlackRoom()
    expect((await slack.handleRequest('events', {}, Buffer.from('{not json'))).status).toBe(401)
  })

  it('signed but broken is refused', async () => {
    const { slack } = await openSlackRoom()
    for (const kind of ['events', 'interactions'] as const)
      expect(await slack.handleRequest(kind, signed(signingSecret, '[1'), Buffer.from('[1'))).toMatchObject({
        status: 400,
      })
  })

  it('of a megabyte is refused before anything else', async () => {
    const { slack } = await openSlackRoom()
    expect((await slack.handleRequest('events', {}, new Uint8Array(1_000_001))).status).toBe(413)
  })

  it('that asks whether this is us is answered', async () => {
    const { post } = await openSlackRoom()
    const answer = await post('events', { type: 'url_verification', challenge: '3eZbrw1a' })
    expect(answer).toMatchObject({ status: 200, body: '3eZbrw1a' })
  })

  it('that nobody listens for is acknowledged', async () => {
    const { post } = await openSlackRoom()
    const event = {
      ...homeOf(ada),
      event: { type: 'message', channel: 'C01', user: 'U01', text: '/qp gates', ts: '1.1' },
    }
    expect((await post('events', event)).status).toBe(200)
  })
})

describe('a command', () => {
  it.each([
    ['/qp', 'approve r7k2 anchor'],
    ['/approve', 'r7k2 anchor'],
    ['/qp', '/approve R7K2 anchor'],
  ])('%s %s reaches the reception as the person who typed it', async (slash, text) => {
    const { post, reception, fake } = await openSlackRoom()
    const typed = commandOf(ada, slash, text, fake.responseUrl())
    await post('commands', typed)
    expect(reception.asked).toEqual([
      {
        caller: {
          surface: 'slack',
          account: 'T01/U01',
          label: 'Ada',
          address: 'T01/C01',
          isPrivate: false,
          deliveryId: typed.trigger_id,
        },
        command: { kind: 'approve', run: 'r7k2', gate: 'anchor', sha256: null },
      },
    ])
  })

  it('is answered to that person alone, in the acknowledgement', async () => {
    const { post, fake } = await openSlackRoom()
    const answer = await post('commands', commandOf(ada, '/gates', '', fake.responseUrl()))
    expect(JSON.parse(answer.body)).toEqual({ response_type: 'ephemeral', text: 'Nothing waits for a decision.' })
    expect(fake.effects).toEqual([])
  })

  it('in a direct message is private', async () => {
    const { post, reception, fake } = await openSlackRoom()
    await post('commands', commandOf({ ...ada, channel: 'D09' }, '/qp', 'whoami', fake.responseUrl()))
    expect(reception.asked[0]?.caller).toMatchObject({ isPrivate: true, address: 'T01/D09' })
  })

  it('typed on a phone, with its quotes and dashes, is read', async () => {
    const { post, reception, fake } = await openSlackRoom()
    await post('commands', commandOf(ada, '/run', '../shop —dry-run', fake.responseUrl()))
    await post('commands', commandOf(ada, '/reject', 'r7k2 “not like this”', fake.responseUrl()))
    expect(reception.asked.map(({ command }) => command)).toMatchObject([
      { kind: 'run', target: '../shop', dryRun: true },
      { kind: 'reject', reason: 'not like this' },
    ])
  })

  it('that is wrong hears the nearest right one', async () => {
    const { post, fake } = await openSlackRoom()
    const { body } = await post('commands', commandOf(ada, '/qp', 'rnu ../shop', fake.responseUrl()))
    expect(body).toContain('Did you mean run ../shop?')
  })

  it('rejecting without a reason asks for it in a form, and only the form decides', async () => {
    const { post, reception, fake, slack } = await openSlackRoom()
    reception.beginning = (command) =>
      accepted({ kind: 'reason', command: { ...command, gate: 'g1', sha256: 'ab' }, prompt: 'Why reject run r7k2?' })
    const typed = commandOf(ada, '/qp', 'reject r7k2', fake.responseUrl())
    expect(await post('commands', typed)).toMatchObject({ status: 200, body: '' })
    await slack.stop()
    expect(reception.begun).toMatchObject([{ command: { kind: 'reject', run: 'r7k2', gate: null } }])
    expect([reception.asked, fake.whispers]).toEqual([[], []])
    const opened = fake.effects.find(({ method }) => method === 'views.open')?.args ?? {}
    expect(opened).toMatchObject({ trigger_id: typed.trigger_id, view: { callback_id: 'qp_reason' } })
    const view = { id: 'V1', private_metadata: (opened['view'] as { private_metadata: string }).private_metadata }
    await post('interactions', submissionOf(ada, view, 'Not like this.'))
    const command = { kind: 'reject', run: 'r7k2', gate: 'g1', sha256: 'ab', reason: 'Not like this.' }
    expect(reception.asked).toMatchObject([{ caller: { address: 'T01/C01' }, command }])
  })

  it('rejecting without a reason what cannot be decided says why, and opens nothing', async () => {
    const { post, reception, fake } = await openSlackRoom()
    reception.beginning = () => refused('not_found', 'Run r7k2 has no such open gate.', 'See /status r7k2.')
    const { body } = await post('commands', commandOf(ada, '/reject', 'r7k2', fake.responseUrl()))
    expect(body).toContain('no such open gate')
    expect(fake.effects).toEqual([])
  })

  it('of no words lists what can be asked for', async () => {
    const { post, fake } = await openSlackRoom()
    expect((await post('commands', commandOf(ada, '/qp', '', fake.responseUrl()))).body).toContain('/qp approve')
  })

  it('that takes long is acknowledged in time and answered when it is done', async () => {
    const { post, reception, slack, fake } = await openSlackRoom({ patienceMs: 30 })
    const work = held<ReturnType<typeof refused>>()
    reception.answer = () => work.promise
    const answer = await post('commands', commandOf(ada, '/qp', 'gates', fake.responseUrl()))
    expect(JSON.parse(answer.body)).toMatchObject({ text: 'Working on it…' })
    work.release(refused('wrong_state', 'Run r7k2 has ended.', 'See /qp runs.'))
    await slack.stop()
    expect(fake.whispers).toMatchObject([
      { response_type: 'ephemeral', text: '✗ Run r7k2 has ended.\n  See /qp runs.' },
    ])
  })

  it('is answered in the channel, for that person only, where its own way back is used up', async () => {
    const { post, reception, slack, fake } = await openSlackRoom({ patienceMs: 30 })
    const work = held<ReturnType<typeof refused>>()
    reception.answer = () => work.promise
    await post('commands', commandOf(ada, '/qp', 'gates', `${fake.url}/respond/none`))
    work.release(refused('not_found', 'Gone.'))
    await slack.stop()
    expect(fake.effects).toMatchObject([
      { method: 'chat.postEphemeral', args: { channel: 'C01', user: 'U01', text: '✗ Gone.' } },
    ])
  })

  it('that fails here says so to the person and to the operator', async () => {
    const { post, reception, log, fake } = await openSlackRoom()
    reception.answer = () => {
      throw new Fault({ code: 'TRANSIENT_NETWORK', message: 'The database is away.', retryable: true })
    }
    const { body } = await post('commands', commandOf(ada, '/qp', 'gates', fake.responseUrl()))
    expect(body).toContain('did not go through')
    expect(log.join()).toContain('The database is away.')
  })
})

describe('an event that Slack delivers again', () => {
  it('with retry numbers 1 to 3, fresh times and signatures, has one effect and four good answers', async () => {
    const { post, reception, fake } = await openSlackRoom()
    const typed = commandOf(ada, '/approve', 'r7k2', fake.responseUrl())
    const event = homeOf(ada)
    for (const retry of ['', '1', '2', '3']) {
      const headers: Record<string, string> =
        retry === '' ? {} : { 'x-slack-retry-num': retry, 'x-slack-retry-reason': 'http_timeout' }
      expect((await post('commands', typed, headers)).status).toBe(200)
      expect((await post('events', event, headers)).status).toBe(200)
    }
    expect(reception.asked.map(({ caller }) => caller.deliveryId).sort()).toEqual(
      [typed.trigger_id, event.event_id, `${event.event_id} who`].sort(),
    )
  })
})

describe('who is not a full member of our workspace', () => {
  it.each([
    ['a guest', person('U09', 'Gus', { is_restricted: true })],
    ['a guest', person('U09', 'Gus', { is_ultra_restricted: true })],
    ['a bot', person('U09', 'Gus', { is_bot: true })],
    ['a deactivated account', person('U09', 'Gus', { deleted: true })],
    ['a member of another workspace', person('U09', 'Gus', { team_id: 'T99' })],
    ['a member of another workspace', person('U09', 'Gus', { is_stranger: true })],
  ])('is refused as %s, privately and on the record', async (why, user) => {
    const { post, reception, fake, slack } = await openSlackRoom()
    fake.people.set('U09', user)
    const gus = { ...ada, user: 'U09' }
    const answer = await post('commands', commandOf(gus, '/approve', 'r7k2', fake.responseUrl()))
    await post('interactions', pressOf(gus, 'opaque', fake.responseUrl()))
    await post('events', homeOf(gus))
    await slack.stop()
    expect(answer.body).toContain(`takes nothing from ${why}`)
    expect(fake.whispers).toMatchObject([{ response_type: 'ephemeral' }])
    expect([reception.asked, reception.pressed]).toEqual([[], []])
    expect(reception.denied.map((denied) => denied.why)).toEqual([why, why, why])
  })

  it('is refused by the workspace that Slack names, before anything is asked of Slack about them', async () => {
    const { post, reception, fake } = await openSlackRoom()
    await post('commands', commandOf({ ...ada, team: 'T99' }, '/approve', 'r7k2', fake.responseUrl()))
    expect(reception.denied).toMatchObject([{ caller: { account: 'T99/U01' }, why: 'a member of another workspace' }])
    expect(fake.calls).not.toContain('users.info')
  })

  it('is nobody while Slack does not say who they are', async () => {
    const { post, reception, fake } = await openSlackRoom()
    fake.trouble('users.info', '500')
    const { body } = await post('commands', commandOf(ada, '/approve', 'r7k2', fake.responseUrl()))
    expect([body.includes('did not go through'), reception.asked]).toEqual([true, []])
  })

  it('is asked about once for many commands', async () => {
    const { post, fake } = await openSlackRoom()
    for (let n = 0; n < 5; n++) await post('commands', commandOf(ada, '/gates', '', fake.responseUrl()))
    expect(fake.calls.filter((call) => call === 'users.info')).toHaveLength(1)
  })
})

describe('a button', () => {
  it('hands on what it carries and touches no message', async () => {
    const { post, reception, fake, slack } = await openSlackRoom()
    const press = pressOf(ada, 'b7f0', fake.responseUrl())
    const answer = await post('interactions', press)
    await slack.stop()
    expect(answer).toMatchObject({ status: 200, body: '' })
    expect(reception.pressed).toMatchObject([
      { caller: { address: 'T01/C01', deliveryId: press.trigger_id }, data: 'b7f0' },
    ])
    expect(fake.effects.map(({ method }) => method)).toEqual(['response_url'])
    expect(fake.whispers).toMatchObject([{ response_type: 'ephemeral', replace_original: false }])
  })

  it('that needs a reason always asks for it, and only the form decides', async () => {
    const { post, reception, fake, slack } = await openSlackRoom()
    reception.pressing = askingWhy
    const press = pressOf(ada, 'b7f0', fake.responseUrl())
    await post('interactions', press)
    await slack.stop()
    const opened = fake.effects.find(({ method }) => method === 'views.open')?.args ?? {}
    expect(opened).toMatchObject({
      trigger_id: press.trigger_id,
      view: {
        callback_id: 'qp_reason',
        blocks: [{}, { optional: false, element: { multiline: true, min_length: 1 } }],
      },
    })
    expect(reception.asked).toEqual([])
    const view = { id: 'V1', private_metadata: (opened['view'] as { private_metadata: string }).private_metadata }
    const answer = await post('interactions', submissionOf(ada, view, ' Two parcels may share a door. '))
    expect(reception.asked).toMatchObject([
      { caller: { address: 'T01/C01' }, command: { ...unsaid, reason: 'Two parcels may share a door.' } },
    ])
    expect(JSON.parse(answer.body)).toMatchObject({ response_action: 'update' })
  })

  it('pressed twice opens one form and says nothing more', async () => {
    const { post, reception, fake, slack } = await openSlackRoom()
    reception.pressing = askingWhy
    fake.trouble('views.open', { error: 'exchanged_trigger_id' })
    await post('interactions', pressOf(ada, 'b7f0', fake.responseUrl()))
    await slack.stop()
    expect(fake.whispers).toEqual([])
  })

  it('whose form came too late says to press again', async () => {
    const { post, reception, fake, slack } = await openSlackRoom()
    reception.pressing = askingWhy
    fake.trouble('views.open', { error: 'expired_trigger_id' })
    await post('interactions', pressOf(ada, 'b7f0', fake.responseUrl()))
    await slack.stop()
    expect(fake.whispers[0]?.['text']).toContain('Do it once more')
  })
})

describe('a form', () => {
  const view = { id: 'V1', private_metadata: JSON.stringify({ command: unsaid, channel: 'C01', isPrivate: false }) }

  it('that comes too late says so inside itself', async () => {
    const { post, reception } = await openSlackRoom()
    reception.answer = () => refused('already_decided', 'Ben approved this at 14:05 UTC.', 'See /qp status r7k2.')
    const answer = await post('interactions', submissionOf(ada, view, 'no'))
    expect(JSON.parse(answer.body)).toEqual({
      response_action: 'errors',
      errors: { reason: '✗ Ben approved this at 14:05 UTC.\n  See /qp status r7k2.' },
    })
  })

  it.each([null, '', '   \n '])('with the reason %j decides nothing', async (reason) => {
    const { post, reception } = await openSlackRoom()
    const answer = await post('interactions', submissionOf(ada, view, reason))
    expect(JSON.parse(answer.body)).toMatchObject({ response_action: 'errors' })
    expect(reception.asked).toEqual([])
  })

  it.each([
    '{}',
    'no json',
    JSON.stringify({ command: { kind: 'approve', run: 'r7k2' }, channel: 'C01', isPrivate: false }),
  ])('that remembers %s decides nothing', async (private_metadata) => {
    const { post, reception } = await openSlackRoom()
    await post('interactions', submissionOf(ada, { id: 'V1', private_metadata }, 'because'))
    expect(reception.asked).toEqual([])
  })

  it('that takes long shows its outcome when it is done', async () => {
    const { post, reception, slack, fake } = await openSlackRoom({ patienceMs: 30 })
    const work = held<ReturnType<typeof refused>>()
    reception.answer = () => work.promise
    const answer = await post('interactions', submissionOf(ada, view, 'no'))
    expect(answer.body).toContain('Working on it…')
    work.release(refused('stale', 'Too late.'))
    await slack.stop()
    expect(fake.effects).toMatchObject([{ method: 'views.update', args: { view_id: 'V1' } }])
    expect(JSON.stringify(fake.effects)).toContain('Too late.')
  })
})

describe('a long answer', () => {
  const text = Array.from({ length: 400 }, (_, n) => `line ${n} of the anchor <!channel>`).join('\n')
  const file = () => accepted({ kind: 'file', name: 'docs/ANCHOR.md', sha256: 'a'.repeat(64), text } as const)

  it('comes as a file to that person alone', async () => {
    const { post, reception, slack, fake } = await openSlackRoom()
    reception.answer = file
    await post('commands', commandOf(ada, '/artifacts', 'r7k2 docs/ANCHOR.md', fake.responseUrl()))
    await slack.stop()
    expect(fake.files).toEqual([{ name: 'ANCHOR.md', text, channel: 'DU01' }])
  })

  it('comes in pieces where files are not allowed, and not a line is lost', async () => {
    const { post, reception, slack, fake } = await openSlackRoom()
    reception.answer = file
    fake.trouble('files.getUploadURLExternal', { error: 'missing_scope' })
    fake.trouble('chat.postMessage', { retryAfter: 0 })
    await post('commands', commandOf(ada, '/artifacts', 'r7k2 docs/ANCHOR.md', fake.responseUrl()))
    await slack.stop()
    const sent = [...fake.messages.values()].map((message) => message.text.replaceAll('```', ''))
    expect(sent.every((piece) => piece.length <= 3_000 && !piece.includes('<'))).toBe(true)
    expect(sent.join('\n').replaceAll('&lt;', '<').replaceAll('&gt;', '>')).toBe(text)
  })
})

test('the app’s own tab shows what waits for whoever looks, by name and with how to decide it, then what waits for others', async () => {
  const { post, reception, slack, fake } = await openSlackRoom()
  const others = { ...gate, gateId: 'h', handle: 'r8m2', roles: ['admin' as const] }
  const named = { ...gate, gateId: 'i', handle: 'r9n4', people: ['actor-wren'] }
  const raised = { ...others, handle: 'rabc', escalated: { roles: ['approver' as const], at: new Date(0) } }
  reception.answer = ({ kind }) =>
    kind === 'whoami'
      ? accepted({ kind, label: 'Ada', pseudonym: 'actor-heron', roles: ['approver'] })
      : accepted({ kind: 'gates', gates: [others, gate, named, raised], page: 1, hasMore: true })
  await post('events', homeOf(ada))
  await slack.stop()
  const shown = JSON.stringify(fake.effects.find(({ method }) => method === 'views.publish')?.args)
  for (const words of ['ANCHOR.md', 'Run r7k2', 'decided by: approver', '/qp approve r7k2 anchor', 'More: /qp gates 2'])
    expect(shown).toContain(words)
  const order = ['For you: 2', 'r7k2', 'rabc', 'For others: 2', 'r8m2', 'r9n4'].map((words) => shown.indexOf(words))
  expect(order).toEqual(order.toSorted((a, b) => a - b))
  expect(order).not.toContain(-1)
  expect(shown).not.toContain('/qp approve r8m2')
  expect(reception.asked[0]).toMatchObject({ caller: { isPrivate: true }, command: { kind: 'gates' } })
})

const gate = {
  gateId: 'g',
  runId: 'r',
  handle: 'r7k2',
  name: 'anchor',
  kind: 'plan' as const,
  subject: {
    artifact: { name: 'docs/ANCHOR.md', sha256: 'a'.repeat(64), sizeBytes: 9 },
    what: '14 requirements, each cited',
    risks: [],
    questions: [],
    changes: [],
    facts: ['3 pages'],
  },
  roles: ['approver' as const],
  people: null,
  quorum: 1,
  escalated: null,
  votes: 0,
  openedAt: new Date(0),
  expiresAt: null,
  verdict: null,
  decidedBy: null,
  decidedInPlaceOf: null,
  decidedAt: null,
}

test('a Slack that is away at the start is asked again until it is there', async () => {
  const { fake, log, begin } = await openSlackRoom()
  fake.trouble('auth.test', '500', 2)
  await begin()
  await vi.waitFor(() => expect(fake.calls).toEqual(['auth.test', 'auth.test', 'auth.test']), { timeout: 4_000 })
  expect(log.filter((line) => line.includes('does not answer yet'))).toHaveLength(2)
})

test('the channel of the configuration is an address', async () => {
  const { slack } = await openSlackRoom()
  expect(await slack.destination()).toBe('T01/C01')
})

describe('a token that Slack takes back', () => {
  it.each(['token_revoked', 'invalid_auth', 'token_expired', 'account_inactive'])(
    '(%s) ends the surface at once with one sentence that names it',
    async (error) => {
      const { slack, fake, log } = await openSlackRoom()
      fake.trouble('auth.test', { error }, 9)
      await expect(slack.start()).rejects.toMatchObject({ code: 'FATAL', retryable: false })
      expect(log).toHaveLength(1)
      expect(log[0]).toContain('SLACK_BOT_TOKEN')
      expect(fake.calls).toEqual(['auth.test'])
    },
  )

  it('is a fault of each message, without its text', async () => {
    const { slack, fake } = await openSlackRoom()
    fake.tokens.delete(botToken)
    const sent = slack.post('T01/C01', { lines: ['x'], buttons: [], under: null, isLoud: false })
    await expect(sent).rejects.toMatchObject({ code: 'FATAL', retryable: false })
    await expect(sent).rejects.toThrow('SLACK_BOT_TOKEN')
  })
})

test('no secret is in a log, an error or a fault, whatever goes wrong', async () => {
  const { slack, post, fake, log } = await openSlackRoom()
  const said: string[] = []
  for (const trouble of ['reset', '500', 'drop', { error: botToken }, { error: 'internal_error' }] as const) {
    fake.trouble('chat.postMessage', trouble)
    const sent = slack.post('T01/C01', { lines: ['x'], buttons: [], under: null, isLoud: false })
    await sent.catch((error: Fault) =>
      said.push(JSON.stringify(error, Object.getOwnPropertyNames(error)), String(error.stack)),
    )
    fake.trouble('users.info', trouble)
    await post('commands', commandOf(ada, '/gates', '', fake.responseUrl()))
  }
  expect(said.length).toBe(10)
  expect(`${said.join()}${log.join()}`).not.toMatch(/canary/)
})
