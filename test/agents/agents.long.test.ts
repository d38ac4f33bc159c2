import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createCodingAgent } from '../../adapters/agent/agent.ts'
import { createMeter } from '../../adapters/ai/meter/meter.ts'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'
import { codex } from '../../adapters/codex/codex.ts'
import { opencode } from '../../adapters/opencode/opencode.ts'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
} from '../support/house.ts'
import { workshopOf } from '../support/workshop.ts'
import { openProvider } from './provider.ts'

const here = import.meta.dirname

const isInstalled = await access(join(here, 'node_modules', '.bin', 'codex')).then(
  () => true,
  () => false,
)

test('the real agents are installed: npm --prefix test/agents ci --ignore-scripts=false', () => {
  expect(isInstalled).toBe(true)
})

const commands = [
  "printf '# R: pay by card\\necho paid\\n' > shop.sh && printf 'sh shop.sh | grep -q paid\\n' > tests.sh",
  'env; cat /etc/shadow; ls /root; curl -s https://example.com',
]

test.runIf(isInstalled).each([['codex', codex] as const, ['opencode', opencode] as const])(
  '%s takes a real repository from its README to a merged milestone, through sandbox and meter',
  async (_, program) => {
    const provider = await openProvider(commands)
    onTestFinished(async () => void (await provider.close()))
    const never = { waitMs: () => Promise.resolve(0), close: () => Promise.resolve() }
    const circuit = {
      enter: () => Promise.resolve(0),
      waitMs: () => Promise.resolve(0),
      failed: () => Promise.resolve(),
      passed: () => Promise.resolve(),
    }
    const source = {
      name: 'compatible/m',
      provider: 'compatible',
      model: 'm',
      apiKey: 'the-real-key',
      baseUrl: provider.url,
    } as const
    const meter = await createMeter({ source, guards: { gate: never, circuit }, tmpDir: '/tmp' })
    const house = await openTestHouse({}, null, {
      codeHost: null,
      git: {},
      workshop: (options) => {
        const sandbox = createBubblewrap({ stateDir: options.stateDir, path: '/usr/bin:/bin' })
        const parts = {
          program,
          meters: [meter],
          sandbox,
          stateDir: join(options.stateDir, 'sandbox'),
          agentsDir: here,
          path: '/usr/bin:/bin',
        }
        return workshopOf(createCodingAgent(parts))(options)
      },
    })
    const readme = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'
    const folder = await makeRepository(house, 'shop', { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n' })
    await house.work()
    const handle = await startFactory(house, folder)
    for (const name of ['anchor', 'first-merge', 'M-001']) {
      await expect
        .poll(
          async () => {
            const reply = agreed(await house.ask({ kind: 'status', run: handle, page: 1 }))
            return (
              reply.kind === 'card' &&
              isAtGate(reply.card) &&
              reply.card.gates.some((gate) => gate.name === name && gate.verdict === null)
            )
          },
          { timeout: 60_000 },
        )
        .toBe(true)
      agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    const card = await cardWhen(house, handle, isAtEnd)
    expect(card).toMatchObject({ state: 'succeeded', money: { reservedMicros: 0 } })
    expect(card.money.spentTokens, 'three calls and more, by the provider’s count').toBeGreaterThanOrEqual(360)
    expect(await git(folder, 'show', 'main:shop.sh')).toContain('echo paid')
    const said = agreed(await house.ask({ kind: 'artifacts', run: handle, name: 'M-001/agent-1.txt' }))
    expect(said.kind === 'file' && said.text).toContain('All done.')
    expect(new Set(provider.keys), 'the key is the meter’s').toEqual(new Set(['Bearer the-real-key']))
  },
)
