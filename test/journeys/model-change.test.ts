import { expect, test } from 'vitest'
import type { Author } from '../../core/ports.ts'
import { createBuiltinAuthor } from '../../adapters/builtin-author/author.ts'
import { agreed, cardWhen, isAtEnd, isAtGate, makeRepository, openTestHouse, startFactory } from '../support/house.ts'

const readme = '# Shop\n\nA shop for parts.\n\n- Customers must pay by card.\n'

/** The built-in author by another name. */
function named(name: () => string): Author {
  const author = createBuiltinAuthor()
  return {
    ...author,
    get name() {
      return name()
    },
  }
}

test('another model than in the last run waits for a decision where the project wants that, and is on record in the documents', async () => {
  let model = 'openai/one'
  const house = await openTestHouse({}, null, { codeHost: null, git: {}, author: named(() => model) })
  const files = { 'README.md': readme, 'quantapilot.yml': 'policies: { model_change_requires_gate: true }\n' }
  const folder = await makeRepository(house, 'shop', files)
  await house.work()
  const approve = (run: string) => house.ask({ kind: 'approve', run, gate: null, sha256: null })
  const first = await startFactory(house, folder)
  const anchor = await cardWhen(house, first, isAtGate)
  expect(
    anchor.gates.map(({ name }) => name),
    'there is nothing to compare with',
  ).toEqual(['anchor'])
  agreed(await approve(first))
  await cardWhen(house, first, isAtEnd)
  model = 'openai/two'
  await cardWhen(house, await startFactory(house, folder, { dryRun: true }), isAtEnd)
  const second = await startFactory(house, folder)
  const asked = await cardWhen(house, second, isAtGate)
  expect(asked.gates).toMatchObject([
    { name: 'model-change', subject: { changes: ['arch: openai/one → openai/two', 'qa: openai/one → openai/two'] } },
  ])
  agreed(await approve(second))
  await cardWhen(house, second, (card) => isAtGate(card) && card.gates.some(({ name }) => name === 'anchor'))
  agreed(await approve(second))
  await cardWhen(house, second, isAtEnd)
  const adrs = agreed(await house.ask({ kind: 'artifacts', run: second, name: 'docs/80_adrs.md' }))
  expect(adrs.kind === 'file' && adrs.text).toContain('model-change')
  const third = await startFactory(house, folder)
  const same = await cardWhen(house, third, isAtGate)
  expect(
    same.gates.map(({ name }) => name),
    'it is the same as last time',
  ).toEqual(['anchor'])
})

test.each(['arch', 'dev', 'qa'])(
  'a model that the server does not have, in the role %s, is refused before anything is written',
  async (role) => {
    const models = ['openai/one', 'anthropic/two']
    const house = await openTestHouse({}, null, { codeHost: null, git: {}, author: named(() => 'openai/one'), models })
    const wanting = (model: string) => ({
      'README.md': readme,
      'quantapilot.yml': `models: { ${role}: { model: ${model} } }\n`,
    })
    await house.work()
    const folder = await makeRepository(house, 'shop', wanting('gpt-of-tomorrow'))
    const card = await cardWhen(house, await startFactory(house, folder), isAtEnd)
    expect(card).toMatchObject({ state: 'failed', reasonCode: 'VALIDATION_ERROR' })
    expect(card.reason).toContain(
      `asks for the model gpt-of-tomorrow, which this server does not have: name one of openai/one, anthropic/two in models.${role}.model`,
    )
    for (const [name, model] of [
      ['by-name', 'two'],
      ['by-full-name', 'anthropic/two'],
    ] as const) {
      const other = await makeRepository(house, name, wanting(model))
      await cardWhen(house, await startFactory(house, other), isAtGate)
    }
  },
)
