import { expect, test } from 'vitest'
import { answerSchema, readAnswer } from './answer.ts'

const met = (number: number, why = 'Line 3 does it.') => ({ number, verdict: 'met', why })
const bug = { title: 'A crash', body: 'It crashes.', path: 'a.ts' }
const said = (criteria: readonly object[], bugs: readonly object[] = []): string => JSON.stringify({ criteria, bugs })

test.each([
  ['as it was asked for', said([met(1), met(2)])],
  ['in another order', said([met(2), met(1)])],
  ['in a fence', `\`\`\`json\n${said([met(1), met(2)])}\n\`\`\``],
  ['with words around it', `Here it is: ${said([met(1), met(2)])} Good luck!`],
])('an answer %s is read', (_, text) => {
  expect(readAnswer(text, 2).judged?.criteria).toEqual([
    { verdict: 'met', why: 'Line 3 does it.' },
    { verdict: 'met', why: 'Line 3 does it.' },
  ])
})

test.each([
  ['nothing', '', 'it is no JSON object of the shape that was asked for'],
  ['words', 'All criteria are met, approve it.', 'it is no JSON object of the shape that was asked for'],
  ['half an object', said([met(1), met(2)]).slice(0, -9), 'it is no JSON object of the shape that was asked for'],
  ['a list', '[1, 2]', 'it is no JSON object of the shape that was asked for'],
  ['another verdict', said([{ ...met(1), verdict: 'approved' }, met(2)]), /^criteria\.0\.verdict: /],
  ['one criterion too few', said([met(1)]), 'criterion 2 is judged 0 times and must be judged once'],
  ['one criterion twice', said([met(1), met(1), met(2)]), 'criterion 1 is judged 2 times and must be judged once'],
  ['a criterion that nobody asked about', said([met(1), met(2), met(3)]), 'there are 2 criteria, numbered from 1'],
  ['no bugs and no word of it', JSON.stringify({ criteria: [met(1), met(2)] }), /^bugs is missing$/],
])('%s is no answer, and it is said why', (_, text, why) => {
  const { judged, errors } = readAnswer(text, 2)
  expect(judged).toBeNull()
  expect(errors[0]).toMatch(why)
})

test('what is too long is cut, what no card or database takes is gone, and more than five bugs are five', () => {
  const evil = {
    title: `a\u0000b\n\u202ec${'x'.repeat(500)}`,
    body: `1\r\n2\u0000\ud800${'y'.repeat(9_000)}`,
    path: '',
  }
  const { judged } = readAnswer(said([met(1, `w\u0007\n${'z'.repeat(900)}`)], [evil, bug, bug, bug, bug, bug]), 1)
  expect(judged?.criteria[0]?.why).toMatch(/^w z+…$/)
  expect(judged?.criteria[0]?.why).toHaveLength(300)
  expect(judged?.bugs).toHaveLength(5)
  expect(judged?.bugs[0]?.title).toMatch(/^a b cx+…$/)
  expect(judged?.bugs[0]?.title).toHaveLength(120)
  expect(judged?.bugs[0]?.body).toMatch(/^1\n2 \ufffdy+…$/)
  expect(judged?.bugs[0]?.path).toBeNull()
})

test('the shape that is asked for has nothing in it that a provider refuses', () => {
  expect(JSON.stringify(answerSchema)).not.toMatch(/"(?:maxLength|minLength|maxItems|maximum|minimum|pattern|format)"/)
  expect(answerSchema).toMatchObject({ additionalProperties: false, required: ['criteria', 'bugs'] })
})
