import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Command } from '../../core/commands/command.ts'
import type { RunCard } from '../../core/model/card.ts'
import { accepted } from '../../core/model/problem.ts'
import type { Ask } from '../surface.ts'
import { Screen } from './screen.ts'
import { TerminalSession } from './session.ts'

const gate = { gateId: 'g1', name: 'anchor', verdict: null, subject: { artifact: { sha256: 'ab12' } } }
const card = { handle: 'r7k2', gates: [gate] } as unknown as RunCard

/** A session at a terminal that keeps what is asked for and what is shown. */
function openSession() {
  const [input, out] = [new PassThrough(), new PassThrough()]
  const asked: Command[] = []
  let shown = ''
  out.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  const ask: Ask = (command) => {
    asked.push(command)
    return Promise.resolve(
      accepted(
        command.kind === 'status' ? { kind: 'card', card } : { kind: 'gates', gates: [], page: 1, hasMore: false },
      ),
    )
  }
  const streams = { out, input } as unknown as { out: NodeJS.WriteStream; input: NodeJS.ReadStream }
  const session = new TerminalSession(new Screen({ ...streams, colour: false }), ask)
  const ended = session.start()
  onTestFinished(() => session.stop())
  const type = (line: string) => input.write(`${line}\n`)
  const says = (text: string) => vi.waitFor(() => expect(shown).toContain(text))
  return { asked, type, says, input, ended }
}

test('at the prompt, a decision without its words is asked for them and decides what was open then', async () => {
  const { asked, type, says } = openSession()
  type('/reject r7k2')
  await says('Why reject run r7k2? ')
  type('Too big.')
  const decision = { kind: 'reject', run: 'r7k2', gate: 'g1', sha256: 'ab12', reason: 'Too big.' }
  await vi.waitFor(() => expect(asked).toEqual([{ kind: 'status', run: 'r7k2', page: 1 }, decision]))
})

test('an empty answer at the prompt decides nothing, and the next line is a command again', async () => {
  const { asked, type, says } = openSession()
  type('/changes r7k2')
  await says('What should change in run r7k2? ')
  type('  ')
  await says('Nothing was decided')
  type('/gates')
  await vi.waitFor(() => expect(asked.map(({ kind }) => kind)).toEqual(['status', 'gates']))
})

test('a terminal that is closed while it asks for words ends the session and decides nothing', async () => {
  const { asked, type, says, input, ended } = openSession()
  type('/reject r7k2')
  await says('Why reject run r7k2? ')
  input.end()
  await ended
  expect(asked.map(({ kind }) => kind)).toEqual(['status'])
})
