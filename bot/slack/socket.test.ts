import { describe, expect, it, vi } from 'vitest'
import { refused } from '../../core/model/problem.ts'
import { appToken } from '../../test/support/slack/fake.ts'
import { ada, openSlackRoom } from '../../test/support/slack/open.ts'
import { commandOf, homeOf, pressOf, submissionOf } from '../../test/support/slack/sign.ts'

describe('a socket, with no public address', () => {
  it('carries commands, presses, forms and events, and their answers', async () => {
    const { fake, reception, slack, begin } = await openSlackRoom({ socket: true })
    await begin()
    const typed = await fake.sockets.send('slash_commands', commandOf(ada, '/gates', '', fake.responseUrl()))
    await fake.sockets.send('interactive', pressOf(ada, 'b7f0', fake.responseUrl()))
    const command = { kind: 'changes', run: 'r7k2', gate: null, sha256: null }
    const view = { id: 'V1', private_metadata: JSON.stringify({ command, channel: 'C01', isPrivate: false }) }
    const sent = await fake.sockets.send('interactive', submissionOf(ada, view, 'shorter'))
    await fake.sockets.send('events_api', homeOf(ada))
    await slack.stop()
    expect(typed).toEqual({ response_type: 'ephemeral', text: 'Nothing waits for a decision.' })
    expect(sent).toMatchObject({ response_action: 'update' })
    expect(reception.asked.map((asked) => asked.command.kind)).toEqual(['gates', 'changes', 'gates', 'whoami'])
    expect(reception.pressed).toMatchObject([{ data: 'b7f0' }])
    expect(fake.effects.map(({ method }) => method).sort()).toEqual(['response_url', 'views.publish'])
  })

  it('that Slack renews loses nothing and doubles nothing', async () => {
    const { fake, reception, begin } = await openSlackRoom({ socket: true })
    await begin()
    const began = performance.now()
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < 5; n++) {
      sent.push(fake.sockets.send('slash_commands', commandOf(ada, '/approve', `r7k${n}`, fake.responseUrl())))
      fake.sockets.renew()
      await fake.sockets.whenOpened(n + 2)
      sent.push(fake.sockets.send('interactive', pressOf(ada, `b${n}`, fake.responseUrl())))
    }
    await Promise.all(sent)
    // A broken connection would be waited for, each time longer: five of them at least 3.8 s.
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(reception.asked.map(({ command }) => (command.kind === 'approve' ? command.run : '')).sort()).toEqual([
      'r7k0',
      'r7k1',
      'r7k2',
      'r7k3',
      'r7k4',
    ])
    expect(reception.pressed.map(({ data }) => data).sort()).toEqual(['b0', 'b1', 'b2', 'b3', 'b4'])
  })

  it('that Slack renews while something is being done brings the outcome on the next one, and does it once', async () => {
    const { fake, reception, begin } = await openSlackRoom({ socket: true })
    await begin()
    let release: (answer: ReturnType<typeof refused>) => void = () => undefined
    reception.answer = () =>
      new Promise((resolve) => {
        release = resolve
      })
    const answer = fake.sockets.send('slash_commands', commandOf(ada, '/cancel', 'r7k2', fake.responseUrl()))
    await vi.waitFor(() => expect(reception.asked).toHaveLength(1))
    fake.sockets.renew()
    await fake.sockets.whenOpened(2)
    release(refused('wrong_state', 'Run r7k2 has ended.'))
    expect(await answer).toEqual({ response_type: 'ephemeral', text: '✗ Run r7k2 has ended.' })
    expect(reception.asked).toHaveLength(1)
  })

  it('that breaks before an acknowledgement gets through brings the same thing again, which has one effect', async () => {
    const { fake, reception, begin } = await openSlackRoom({ socket: true })
    await begin()
    fake.sockets.loseAcks(2)
    const typed = commandOf(ada, '/approve', 'r7k2', fake.responseUrl())
    const answer = await fake.sockets.send('slash_commands', typed)
    expect(fake.sockets.opened()).toBe(3)
    expect(answer).toMatchObject({ text: 'Nothing waits for a decision.' })
    expect(reception.asked.map(({ caller }) => caller.deliveryId)).toEqual([typed.trigger_id])
  })

  it('that cannot be opened is opened when Slack is back', async () => {
    const { fake, begin, log } = await openSlackRoom({ socket: true })
    await begin()
    fake.trouble('apps.connections.open', '500', 2)
    fake.sockets.cut()
    await fake.sockets.whenOpened(2)
    await fake.sockets.send('slash_commands', commandOf(ada, '/gates', '', fake.responseUrl()))
    expect(log.join()).toContain('no socket to Slack')
    expect(log.join()).not.toMatch(/canary/)
  })

  it('whose token is taken back ends the surface with a sentence that names it', async () => {
    const { fake, slack, log } = await openSlackRoom({ socket: true })
    fake.tokens.delete(appToken)
    await expect(slack.start()).rejects.toMatchObject({ code: 'FATAL', retryable: false })
    expect(fake.calls).toEqual(['auth.test', 'apps.connections.open'])
    expect(log.join()).toContain('SLACK_APP_TOKEN')
    expect(log.join()).not.toMatch(/canary/)
  })

  it('takes nothing over HTTP as well', async () => {
    const { slack } = await openSlackRoom({ socket: true })
    expect((await slack.handleRequest('commands', {}, new Uint8Array())).status).toBe(404)
  })
})
