import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Pipeline, StepKind } from '../../core/pipeline.ts'
import { factory } from '../../pipelines/factory/factory.ts'
import { entries, withLimits } from '../../pipelines/factory/limits.ts'
import type { FactoryPorts } from '../../pipelines/factory/ports.ts'
import { stepNames } from '../../pipelines/factory/settings/shape.ts'
import { cardWhen, isAtEnd, openTestHouse } from '../support/house.ts'
import { kind, pipelineOf, startRunOf } from '../support/recipe.ts'

const found = {
  snapshot: {
    address: '/x',
    name: 'x',
    defaultBranch: 'main',
    branch: 'main',
    commit: 'c',
    committedAt: '',
    hasUncommittedChanges: false,
  },
  readme: { path: 'README.md', sha256: '', sizeBytes: 0 },
  owners: [],
  author: 'a',
  outlook: { lowMicros: 0, likelyMicros: 0, highMicros: 0, seconds: 0, policy: [] },
}

/** A run that has read these settings, and whose next step is one of the factory's kinds with another body. */
function under(settings: string, name: string, step: StepKind): Pipeline {
  const read = kind(async (ctx) => {
    const { sha256 } = await ctx.save('quantapilot.yml', new TextEncoder().encode(settings), 'application/yaml')
    return { kind: 'done', output: { ...found, settingsSha256: sha256 } }
  })
  return pipelineOf(name, { read, [name]: withLimits(name, step) })
}

const away = new Fault({ code: 'TRANSIENT_NETWORK', message: 'away', retryable: true })
const named = Object.entries(entries).filter(([, { step }]) => step !== null)

/** Runs one pipeline for each kind, side by side in one house, and tells what its card says in the end. */
async function eachUnder(
  kinds: typeof named,
  settings: (step: string) => string,
  body: (name: string) => StepKind,
): Promise<ReadonlyMap<string, RunCard>> {
  const pipelines = kinds.map(([name, { step }]) => [name, under(settings(step ?? ''), name, body(name))] as const)
  const house = await openTestHouse(Object.fromEntries(pipelines))
  await house.work()
  const ends = kinds.map(async ([name]) => {
    const { handle } = await startRunOf(house, name)
    return [name, await cardWhen(house, handle, (card) => isAtEnd(card) || card.state === 'paused')] as const
  })
  return new Map(await Promise.all(ends))
}

describe('each kind of step of the factory', () => {
  test('is tried as often as its own entry says', async () => {
    const tries = new Map<string, number>()
    const fails = (name: string) =>
      kind(() => {
        tries.set(name, (tries.get(name) ?? 0) + 1)
        return Promise.reject(away)
      })
    const ends = await eachUnder(
      named,
      (step) => `limits: { max_retries: 5 }\nsteps: [{ name: ${step}, retries: 1 }]\n`,
      fails,
    )
    for (const [name, card] of ends) {
      expect(card, name).toMatchObject({ state: 'failed', reason: 'away' })
      expect(tries.get(name), name).toBe(2)
    }
    expect(ends.size).toBe(named.length)
  })

  test('is tried as often as all are, where it has no entry', async () => {
    let tries = 0
    const step = kind(() => (tries++, Promise.reject(away)))
    const house = await openTestHouse({ summary: under('limits: { max_retries: 0 }', 'summary', step) })
    await house.work()
    const { handle } = await startRunOf(house, 'summary')
    await cardWhen(house, handle, isAtEnd)
    expect(tries).toBe(1)
  })

  test('takes no longer than its entry says', async () => {
    const whole = named.filter(([, { insideMs }]) => insideMs === undefined)
    const hangs = () =>
      kind(({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))))
    const ends = await eachUnder(whole, (step) => `steps: [{ name: ${step}, timeout_s: 1, retries: 0 }]\n`, hangs)
    for (const [name, card] of ends) expect(card, name).toMatchObject({ reason: 'The step took longer than 1 s.' })
    expect(ends.size).toBe(whole.length)
  })

  test('asks models for no more than its entry says', async () => {
    const asks = () =>
      kind(async (ctx) => {
        await ctx.reserve({ micros: 0, tokens: 100 }, 'a model')
        return { kind: 'done', output: null }
      })
    const ends = await eachUnder(named, (step) => `steps: [{ name: ${step}, tokens_budget: 50 }]\n`, asks)
    for (const [name, card] of ends) expect(card, name).toMatchObject({ state: 'paused', reasonCode: 'budget' })
    expect(ends.size).toBe(named.length)
  })
})

test('every kind of step of the factory is held, but for the first and the cleaning up', () => {
  const ports: FactoryPorts = new Proxy<FactoryPorts>(Object.create(null), { get: () => ports })
  const { steps } = factory(ports)
  expect(Object.keys(steps).filter((name) => steps[name]?.limits === undefined)).toEqual(['read', 'remove-branch'])
  expect(Object.keys(entries).filter((name) => steps[name] === undefined)).toEqual([])
})

test('the reference page says of every step which kinds it stands for, and what its time is of', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/quantapilot-yml.md'), 'utf8')
  for (const step of stepNames) {
    const kinds = named.filter(([, entry]) => entry.step === step).map(([name]) => `\`${name}\``)
    expect(page).toContain(`| \`${step}\` | ${kinds.join(', ')} |`)
  }
})
