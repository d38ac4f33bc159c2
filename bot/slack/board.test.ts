import { describe, expect, it } from 'vitest'
import { Defect } from '../../core/model/problem.ts'
import { hostile } from '../../test/support/hostile.ts'
import { openSlackRoom } from '../../test/support/slack/open.ts'
import type { Button, Post } from '../surface.ts'
import { draw } from './blocks.ts'

const post = (lines: readonly string[], more: Partial<Post> = {}): Post => ({
  lines,
  buttons: [],
  under: null,
  isLoud: false,
  ...more,
})
const button = (label: string, more: Partial<Button> = {}): Button => ({
  label,
  data: 'b7f0',
  style: 'plain',
  confirm: null,
  ...more,
})
const card = post(['● WAITING FOR YOU: ANCHOR.md', '  14 requirements'], {
  buttons: [
    button('Approve ANCHOR.md', { style: 'primary', data: 'yes' }),
    button('Reject ANCHOR.md', { style: 'danger', data: 'no', confirm: 'The run ends. Reject?' }),
  ],
})

describe('a card', () => {
  it('is sections, buttons that read alone, a question before what cannot be undone, and text for notifications', () => {
    expect(draw(card)).toEqual({
      text: '● WAITING FOR YOU: ANCHOR.md\n  14 requirements',
      blocks: [
        { type: 'section', text: { type: 'mrkdwn', text: '*● WAITING FOR YOU: ANCHOR.md*', verbatim: true } },
        { type: 'section', text: { type: 'mrkdwn', text: '  14 requirements', verbatim: true } },
        {
          type: 'actions',
          elements: [
            {
              type: 'button',
              action_id: 'qp:0',
              text: { type: 'plain_text', text: 'Approve ANCHOR.md', emoji: false },
              value: 'yes',
              style: 'primary',
            },
            {
              type: 'button',
              action_id: 'qp:1',
              text: { type: 'plain_text', text: 'Reject ANCHOR.md', emoji: false },
              value: 'no',
              style: 'danger',
              confirm: {
                title: { type: 'plain_text', text: 'Reject ANCHOR.md', emoji: false },
                text: { type: 'plain_text', text: 'The run ends. Reject?', emoji: false },
                confirm: { type: 'plain_text', text: 'Yes', emoji: false },
                deny: { type: 'plain_text', text: 'No', emoji: false },
                style: 'danger',
              },
            },
          ],
        },
      ],
    })
  })

  it.each([
    ['long lines', post(['t', 'x'.repeat(20_000)])],
    ['very many lines', post(Array.from({ length: 9_000 }, (_, n) => `${n} ${'&'.repeat(40)}`))],
    ['a title of a novel', post(['&'.repeat(9_000)])],
    ['astral letters', post(['t', '😀'.repeat(4_000)])],
    ['nothing at all', post([])],
    ['empty lines', post(['', '', ''])],
    [
      'many buttons',
      post(['t', 'y'.repeat(9_000)], { buttons: Array.from({ length: 12 }, (_, n) => button(`B${n}`)) }),
    ],
    ['wordy buttons', post(['t'], { buttons: [button('L'.repeat(500), { confirm: 'Q'.repeat(900) })] })],
  ])('of %s is within what Slack takes', async (_, given) => {
    const { slack, fake } = await openSlackRoom()
    await slack.post('T01/C01', given)
    const [message] = fake.messages.values()
    expect(message?.blocks.length).toBeGreaterThan(0)
    expect(message?.text.length).toBeLessThanOrEqual(3_000)
    expect(JSON.stringify(message)).not.toMatch(/\\ud[89ab][0-9a-f]{2}(?!\\ud)/i)
  })

  it('with a button that carries more than 64 bytes fails loudly', () => {
    expect(() => draw(post(['t'], { buttons: [button('B', { data: 'é'.repeat(33) })] }))).toThrow(Defect)
  })

  it('says commands as they can be typed in Slack, where /status sets somebody’s own', () => {
    const said = [
      [
        'Next: /status r4wb, which goes first, or /cancel r7k2',
        'Next: /qp status r4wb, which goes first, or /cancel r7k2',
      ],
      ['  Watch it with /status.', '  Watch it with /qp status.'],
      ['! GET /status is not tested', '! GET /status is not tested'],
    ] as const
    for (const [line, typed] of said) expect(draw(post(['Run r7k2', line])).text).toBe(`Run r7k2\n${typed}`)
  })

  it('leads to our own pull request, and nowhere else', () => {
    const links = ['https://git.example/a/b/pull/7?x=1&y', 'https://git.example/|evil>']
    const lines = ['t', `pull request #7  ${links[0]}`, `see https://evil.example ${links[0]}/evil ${links[1]}`]
    const [, body] = draw(post(lines, { links })).blocks
    expect(body).toMatchObject({
      text: {
        text: [
          'pull request #7  <https://git.example/a/b/pull/7?x=1&amp;y>',
          'see https://evil.example https://git.example/a/b/pull/7?x=1&amp;y/evil https://git.example/|evil&gt;',
        ].join('\n'),
      },
    })
  })

  it('mentions nobody and links nowhere, whatever is written in it', async () => {
    const { slack, fake } = await openSlackRoom()
    const hostile = [
      '<!channel> <!here> <!everyone> <!subteam^S01|team>',
      '<@U01> <#C01|general> <https://evil.example|Approve ANCHOR.md>',
      '@channel @here @everyone @Here',
      '&lt;!channel&gt; <<!channel>>',
      '*✓ Approved by Ben*',
      '\u202e desrever',
    ]
    await slack.post('T01/C01', post(hostile, { buttons: [button('<!channel>', { confirm: '<!here>' })] }))
    await slack.post('T01/C01', post(hostile.toReversed()))
    expect(fake.messages.size).toBe(2)
    const texts = [...fake.messages.values()].flatMap(({ text, blocks }) => [
      text,
      ...blocks.flatMap((block) =>
        'text' in (block as object) ? [(block as { text: { text: string } }).text.text] : [],
      ),
    ])
    for (const text of texts) expect(text).not.toMatch(/[<>]|@(channel|here|everyone)|\u202e|&(?!amp;|lt;|gt;)/i)
    // What cannot be made harmless by escaping is a field in which Slack reads no mark-up.
    expect(JSON.stringify([...fake.messages.values()])).toContain(
      '{"type":"plain_text","text":"<!channel>","emoji":false}',
    )
    expect(fake.effects.every(({ args }) => args['unfurl_links'] === 'false' || args['unfurl_links'] === false)).toBe(
      true,
    )
  })
})

describe('a message', () => {
  it('of anybody’s text arrives, also where Slack cannot draw it', async () => {
    const { slack, fake } = await openSlackRoom()
    for (const [n, text] of hostile.entries()) {
      if (n % 2 === 0) fake.trouble('chat.postMessage', { error: 'invalid_blocks' })
      await slack.post('T01/C01', post([text, text], { buttons: [button('Approve')] }))
    }
    expect(fake.messages.size).toBe(hostile.length)
    for (const { text } of fake.messages.values()) expect(text).not.toMatch(/[<>]|@(channel|here|everyone)/i)
  })

  it('is redrawn where it stands', async () => {
    const { slack, fake } = await openSlackRoom()
    const place = await slack.post('T01/C01', card)
    expect(await slack.edit('T01/C01', place, post(['✓ Approved by Ada at 14:05 UTC', 'x']))).toEqual(place)
    expect([...fake.messages.values()]).toMatchObject([{ text: '✓ Approved by Ada at 14:05 UTC\nx' }])
    expect(JSON.stringify([...fake.messages.values()])).not.toContain('actions')
  })

  it('that somebody deleted is sent anew', async () => {
    const { slack, fake } = await openSlackRoom()
    const place = await slack.post('T01/C01', card)
    fake.messages.clear()
    const next = await slack.edit('T01/C01', place, card)
    expect(next).not.toEqual(place)
    expect(fake.messages.size).toBe(1)
  })

  it('belongs into its thread, and what must be seen is shown in the channel too, also in quiet hours', async () => {
    const { slack, fake } = await openSlackRoom()
    const under = await slack.post('T01/C01', card)
    await slack.post('T01/C01', post(['quiet'], { under }))
    await slack.post('T01/C01', post(['loud'], { under, isLoud: true }))
    await slack.post('T01/C01', { ...card, under, isLoud: false })
    const [root, quiet, loud, decision] = fake.effects
    expect([root?.args['thread_ts'], quiet?.args['thread_ts'], loud?.args['thread_ts']]).toEqual([
      undefined,
      root?.ts,
      root?.ts,
    ])
    const isShown = [root, quiet, loud, decision].map((effect) => effect?.args['reply_broadcast'])
    expect(isShown).toEqual([undefined, undefined, true, true])
  })

  it('that Slack cannot draw arrives as plain text', async () => {
    const { slack, fake } = await openSlackRoom()
    fake.trouble('chat.postMessage', { error: 'invalid_blocks' })
    await slack.post('T01/C01', card)
    expect([...fake.messages.values()]).toEqual([{ text: draw(card).text, blocks: [], thread: null }])
  })

  it('too soon after another is told when to come again', async () => {
    const { slack, fake } = await openSlackRoom()
    fake.isPaced = true
    expect(slack.paceMs).toBe(1_000)
    await slack.post('T01/C01', card)
    const late = slack.post('T01/C01', card)
    await expect(late).rejects.toMatchObject({ code: 'RATE_LIMIT', retryable: true, retryAfterMs: 1_000 })
    await slack.post('T01/D09', card)
    expect(fake.messages.size).toBe(2)
  })

  it.each([
    ['C0ARCHIVED', 'unarchive it'],
    ['C0STRANGER', '/invite @quantapilot'],
    ['C0NOWHERE', '/invite @quantapilot'],
  ])('to %s is not tried again, and what to do is said', async (channel, advice) => {
    const { slack, fake } = await openSlackRoom()
    fake.channels.set('C0ARCHIVED', { isArchived: true, hasApp: true })
    fake.channels.set('C0STRANGER', { isArchived: false, hasApp: false })
    const sent = slack.post(`T01/${channel}`, card)
    await expect(sent).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    await expect(sent).rejects.toThrow(advice)
  })

  it.each(['restricted_action', 'restricted_action_read_only_channel'])(
    'to a channel that only some may post to (%s) waits for an admin, and is not lost',
    async (error) => {
      const { slack, fake } = await openSlackRoom()
      fake.trouble('chat.postMessage', { error })
      const sent = slack.post('T01/C01', card)
      await expect(sent).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      await expect(sent).rejects.toThrow('say /qp gates there')
    },
  )

  it('to what is no place in Slack is a mistake of the caller', async () => {
    const { slack, fake } = await openSlackRoom()
    await expect(slack.post('-1002/17', card)).rejects.toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
    expect(fake.calls).toEqual([])
  })

  it.each(['500', 'reset'] as const)(
    'that meets a %s is the relay’s to send again, and was sent once',
    async (trouble) => {
      const { slack, fake } = await openSlackRoom()
      fake.trouble('chat.postMessage', trouble)
      await expect(slack.post('T01/C01', card)).rejects.toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
      expect([fake.calls, fake.messages.size]).toEqual([['chat.postMessage'], 0])
    },
  )

  it('whose answer got lost doubles at most once, and an edit never does', async () => {
    const { slack, fake } = await openSlackRoom()
    fake.trouble('chat.postMessage', 'drop')
    await expect(slack.post('T01/C01', card)).rejects.toMatchObject({ retryable: true })
    const place = await slack.post('T01/C01', card)
    fake.trouble('chat.update', 'drop')
    await expect(slack.edit('T01/C01', place, card)).rejects.toMatchObject({ retryable: true })
    await slack.edit('T01/C01', place, card)
    expect(fake.messages.size).toBe(2)
  })
})
