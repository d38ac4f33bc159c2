import { expect, test } from 'vitest'
import { cardWhen, isAtEnd, makeRepository } from '../support/house.ts'
import { ada } from '../support/slack/open.ts'
import { pressOf } from '../support/slack/sign.ts'
import { askInTelegram, everywhere, latestButton, openTown, shownIn } from '../support/town.ts'

test('a run is started in Telegram, approved in Slack, and both say so, with no public address', {
  timeout: 120_000,
}, async () => {
  const town = await openTown()
  const program = await town.start('all')
  const folder = await makeRepository(town.state, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  const handle = await askInTelegram(town, folder)
  await everywhere(town, new RegExp(`Run ${handle} waits for you: ANCHOR.md`))
  await town.slack.sockets.send('interactive', pressOf(ada, latestButton(town), town.slack.responseUrl()))
  await everywhere(town, /✓ gate anchor approved by Ada at .* UTC/)
  await everywhere(town, new RegExp(`Run ${handle} is done`))
  expect(await cardWhen(town.state, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
  // The request is still there to be read, and nothing is left to be pressed.
  expect(shownIn(town).telegram.join('\n')).toContain('ANCHOR.md of shop: what will be built')
  expect(JSON.stringify([...town.slack.messages.values()])).not.toContain('.approve')
  expect(await program.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
})
