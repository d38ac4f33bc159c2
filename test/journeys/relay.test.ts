import { expect, test } from 'vitest'
import { Relay } from '../../bot/relay.ts'
import type { Listener, Message } from '../../bot/surface.ts'
import { measureOutbox } from '../../core/store/outbox.ts'
import { cardWhen, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'
import { freezeClock } from '../support/postgres.ts'

/** A surface that keeps what it is told, and is away when `isAway` says so. */
function aSurface(name: string, isAway: (message: Message) => boolean): Listener & { readonly told: string[] } {
  const told: string[] = []
  return {
    name,
    told,
    send: (message) => {
      if (isAway(message)) return Promise.reject(new Error('away'))
      told.push(message.topic)
      return Promise.resolve()
    },
  }
}

test('a message that a surface could not take is sent again later, and the others do not wait for it', async () => {
  const house = await openTestHouse()
  const folder = await makeRepository(house, 'shop', { 'README.md': '# Shop\n\n- It must sell.\n' })
  const worker = await house.work()
  await cardWhen(house, await startFactory(house, folder), isAtGate)
  await worker.stop()
  let isAway = true
  const surface = aSurface('chat', ({ topic }) => isAway && topic === 'run_started')
  const faults: string[] = []
  const relay = new Relay({
    db: house.db,
    listeners: [surface],
    onFault: (name) => faults.push(name),
    onCards: () => undefined,
  })
  await relay.drain()
  expect(surface.told).toEqual(['gate_requested'])
  expect(faults).toEqual(['chat'])
  expect(await house.db.run(measureOutbox, {})).toMatchObject([{ waiting: 1 }])
  isAway = false
  await relay.drain()
  expect(surface.told).toEqual(['gate_requested'])
  await freezeClock(house.database, new Date(Date.now() + 60_000))
  await relay.drain()
  expect(surface.told).toEqual(['gate_requested', 'run_started'])
  expect(await house.db.run(measureOutbox, {})).toMatchObject([{ waiting: 0 }])
})
