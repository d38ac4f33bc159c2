import { copyFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createCodingAgent } from '../../adapters/agent/agent.ts'
import { createMeter } from '../../adapters/ai/meter/meter.ts'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'
import { commandAgent } from '../../adapters/command/command.ts'
import type { RunCard } from '../../core/model/card.ts'
import { openProvider } from '../agents/provider.ts'
import { agreed, cardWhen, isAtGate, makeRepository, openTestHouse, startFactory } from './house.ts'
import { workshopOf } from './workshop.ts'

const oneMilestone = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'

export const twoMilestones = `${oneMilestone}\n## Refunds\n\n- A clerk can refund an order.\n`

/** Runs without a package of anybody's. */
const files = { 'README.md': oneMilestone, Makefile: 'test:\n\tsh tests.sh\n' }

export const isWaitingAt =
  (gate: string) =>
  (card: RunCard): boolean =>
    isAtGate(card) && card.gates.some(({ name, verdict }) => name === gate && verdict === null)

export type WorkPlan = {
  /** What the model has the agent do, one after the other. */
  readonly commands: readonly string[]
  /** The project's quantapilot.yml, and the server's own policy. */
  readonly settings: string
  readonly policy?: string
  readonly readme?: string
  /** The n-th answer of a conversation goes out when this has resolved. */
  readonly ready?: (n: number) => Promise<void>
}

/** A run whose agent is about to work: a real one in the sandbox, behind the real meter. */
export async function atWork({ commands, settings, policy, readme = oneMilestone, ready }: WorkPlan) {
  const provider = await openProvider(commands, ready)
  onTestFinished(async () => void (await provider.close()))
  const open = { waitMs: () => Promise.resolve(0), close: () => Promise.resolve() }
  const closed = { failed: () => Promise.resolve(), passed: () => Promise.resolve() }
  const circuit = { enter: () => Promise.resolve(0), waitMs: () => Promise.resolve(0), ...closed }
  const source = {
    name: 'compatible/m',
    provider: 'compatible',
    model: 'm',
    apiKey: null,
    baseUrl: provider.url,
  } as const
  const meter = await createMeter({ source, guards: { gate: open, circuit }, tmpDir: tmpdir() })
  const house = await openTestHouse({}, null, {
    codeHost: null,
    git: {},
    ...(policy === undefined ? {} : { policy }),
    workshop: (options) => {
      const sandbox = createBubblewrap({ stateDir: options.stateDir, path: '/usr/bin:/bin' })
      const program = commandAgent(['agent.mjs'], ['openai-responses'])
      const agentsDir = join(options.stateDir, 'agents')
      const place = { agentsDir, path: '/usr/bin:/bin', stateDir: join(options.stateDir, 'sandbox') }
      return workshopOf(createCodingAgent({ program, meters: [meter], sandbox, ...place }))(options)
    },
  })
  await mkdir(join(house.dir, 'state/agents'), { recursive: true })
  await copyFile(join(import.meta.dirname, '../agents/talking-agent.mjs'), join(house.dir, 'state/agents/agent.mjs'))
  const folder = await makeRepository(house, 'shop', { ...files, 'README.md': readme, 'quantapilot.yml': settings })
  const worker = await house.work()
  const handle = await startFactory(house, folder)
  for (const gate of ['anchor', 'first-merge']) {
    await cardWhen(house, handle, isWaitingAt(gate))
    agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  }
  return { house, worker, folder, handle, heard: provider.heard }
}
