import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
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

describe('each kind of step of the factory', () => {
  test.each(named)('%s is tried as often as its own entry says', async (name, { step }) => {
    let tries = 0
    const settings = `limits: { max_retries: 5 }\nsteps: [{ name: ${step}, retries: 1 }]\n`
    const house = await openTestHouse({
      [name]: under(
        settings,
        name,
        kind(() => (tries++, Promise.reject(away))),
      ),
    })
    await house.work()
    const { handle } = await startRunOf(house, name)
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'failed', reason: 'away' })
    expect(tries).toBe(2)
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

  test.each(named.filter(([, { insideMs }]) => insideMs === undefined))(
    '%s takes no longer than its entry says',
    async (name, { step }) => {
      const settings = `steps: [{ name: ${step}, timeout_s: 1, retries: 0 }]\n`
      const hangs = kind(
        ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const house = await openTestHouse({ [name]: under(settings, name, hangs) })
      await house.work()
      const { handle } = await startRunOf(house, name)
      expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ reason: 'The step took longer than 1 s.' })
    },
  )

  test.each(named)('%s asks models for no more than its entry says', async (name, { step }) => {
    const settings = `steps: [{ name: ${step}, tokens_budget: 50 }]\n`
    const asks = kind(async (ctx) => {
      await ctx.reserve({ micros: 0, tokens: 100 }, 'a model')
      return { kind: 'done', output: null }
    })
    const house = await openTestHouse({ [name]: under(settings, name, asks) })
    await house.work()
    const { handle } = await startRunOf(house, name)
    const card = await cardWhen(house, handle, ({ state }) => state === 'paused' || state === 'succeeded')
    expect(card).toMatchObject({ state: 'paused', reasonCode: 'budget' })
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
