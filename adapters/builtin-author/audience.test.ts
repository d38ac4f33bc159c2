import { describe, expect, test } from 'vitest'
import { factsOf } from './facts.ts'
import { questionsOf } from './questions.ts'
import { readReadme } from './readme.ts'
import { passagesOf, statementsOf } from './statements.ts'

function study(text: string) {
  const readme = readReadme('README.md', new TextEncoder().encode(text))
  const passages = passagesOf(readme)
  const facts = factsOf(readme, passages, 'tally')
  const statements = statementsOf(passages)
  const questions = questionsOf({ name: 'tally', readme, passages, statements, facts, owners: [] })
  return { roles: facts.roles.map(({ name }) => name), asked: questions.some(({ gap }) => gap === 'users') }
}

describe('a sentence that says whom the product is for answers who uses it', () => {
  test.each([
    ['It is for translators who charge by the word.', 'translators'],
    ['It is meant for technical translators who charge by the word.', 'technical translators'],
    ['It’s for anyone who counts words.', 'anyone who counts words'],
    ['This tool is for translators.', 'translators'],
    ['Tally is for writers who sell by the word.', 'writers'],
    ['`tally` is for translators who charge by the word.', 'translators'],
    ['For translators who charge by the word.', 'translators'],
    ['Built for translators.', 'translators'],
    ['Made for small teams, and quick.', 'small teams'],
    ['Designed mainly for book sellers and their friends.', 'seller'],
  ])('%s', (sentence, role) => {
    const { roles, asked } = study(`# Tally\n\nTally counts words in a text. ${sentence}\n`)
    expect(asked).toBe(false)
    expect(roles).toEqual([role])
  })
})

test('a product is also known by a title of several words', () => {
  const { roles } = study('# Word (tally)\n\nWord (tally) is for translators who charge by the word.\n')
  expect(roles).toEqual(['translators'])
})

test('who is named as its people goes before people it mentions, and a list of users stands alone', () => {
  const sentence = 'It is for translators who send a text to a customer.'
  expect(study(`# Tally\n\n${sentence}\n`).roles).toEqual(['translators', 'customer'])
  expect(study(`# Tally\n\n${sentence}\n\n## Users\n\n- Agencies\n`).roles).toEqual(['Agencies'])
})

describe('"for" with another meaning leaves the question open', () => {
  test.each([
    'It is for free.',
    'It is for now only a prototype.',
    'It is for you to decide who gets it.',
    'It is for counting words.',
    'It is for use on the command line.',
    'It is not for translators who charge by the hour.',
    'Built for speed.',
    'Built for web browsers.',
    'Made for Linux.',
    'Designed for large numbers of words.',
    'For now, ask the one who wrote it.',
    'For example, it counts a name of a poet who died.',
    'For those who want CSV, there is a switch.',
    'The second column is for names that have a hyphen.',
  ])('%s', (sentence) => {
    expect(study(`# Tally\n\nTally counts words in a text. ${sentence}\n`)).toEqual({ roles: [], asked: true })
  })
})
