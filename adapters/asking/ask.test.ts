import { expect, test } from 'vitest'
import type { Amount } from '../../core/model/amount.ts'
import { MoneyRefused, raisePolicy } from '../../core/model/money-request.ts'
import { Fault } from '../../core/model/problem.ts'
import type { AuthorDesk, LanguageModel, ModelCall, ModelRequest } from '../../core/ports.ts'
import { askOf, type Chain, chainOf } from './ask.ts'

const prompt = { id: 'p', version: 1, fingerprint: 'f', text: 'Be brief.' }
const request = (text: string): ModelRequest => ({
  system: prompt.text,
  prompt: text,
  maxOutputTokens: 100,
  temperature: null,
  answer: null,
})
const asked = { request: request('x'.repeat(100)), prompt, purpose: 'writing a.md', shorter: request('x'.repeat(40)) }

/** A model at so many micros for each letter of its question. */
function modelOf(name: string, price: number): LanguageModel {
  return {
    name,
    worstCase: ({ prompt: text }) => ({ micros: text.length * price, tokens: text.length }),
    ask: async ({ prompt: text }) => ({
      text: `${name} read ${text.length}`,
      used: { micros: 1, tokens: 1 },
      inputTokens: 1,
      cachedTokens: 0,
      outputTokens: 1,
      requestId: null,
      isCut: false,
      durationMs: 1,
    }),
  }
}

/** A desk that holds calls up to this price, and remembers which it was asked for. */
function deskOf(most: number, recalled: string | null = null) {
  const wanted: number[] = []
  const desk: AuthorDesk = {
    signal: new AbortController().signal,
    reserve: async ({ micros }) => {
      wanted.push(micros)
      const raise = { kind: 'raise', micros, tokens: 0, capMicros: most, capTokens: 0, because: null } as const
      if (micros > most) throw new MoneyRefused(`${micros} is too much`, { ...raise, policy: raisePolicy })
      return { settle: () => Promise.resolve(), record: () => Promise.resolve() }
    },
    recall: () => Promise.resolve(recalled === null ? null : { text: recalled, by: 'acme/dear' }),
    progress: () => undefined,
  }
  return { desk, wanted }
}

const chain: Chain = [modelOf('acme/dear', 10), modelOf('acme/middle', 5), modelOf('acme/cheap', 1)]

test.each([
  ['what holds the call', 1_000, 'acme/dear read 100', null],
  [
    'less than that',
    600,
    'acme/middle read 100',
    'writing a.md with acme/middle in place of acme/dear, because the budget did not hold more',
  ],
  [
    'less still',
    410,
    'acme/dear read 40',
    'writing a.md with acme/dear, from the draft alone, because the budget did not hold more',
  ],
  [
    'hardly anything',
    50,
    'acme/cheap read 40',
    'writing a.md with acme/cheap in place of acme/dear, from the draft alone, because the budget did not hold more',
  ],
] as const)('with %s left, the dearest way of asking that fits is taken, and said', async (_, most, text, thrift) => {
  expect(await askOf(chain, deskOf(most).desk)(asked)).toMatchObject({ text, thrift })
})

test('where no way fits, the request for money is about the call that was wanted', async () => {
  const { desk, wanted } = deskOf(10)
  await expect(askOf(chain, desk)(asked)).rejects.toThrow('1000 is too much')
  expect(wanted).toEqual([1_000, 500, 400, 200, 100, 40])
})

test('a project that wants no other model is asked for money before it gets one', async () => {
  const pinned = chainOf(chain, { model: 'dear', mayChange: false }, 'models.arch.model')
  expect(pinned.map(({ name }) => name)).toEqual(['acme/dear'])
  const { shorter: _, ...whole } = asked
  await expect(askOf(pinned, deskOf(600).desk)(whole)).rejects.toThrow('1000 is too much')
})

test('an answer that was paid for is not asked for again, and says whose it is', async () => {
  const { desk, wanted } = deskOf(0, 'before')
  expect(await askOf(chain, desk)(asked)).toEqual({ text: 'before', by: 'acme/dear', isCut: false, thrift: null })
  expect(wanted).toEqual([])
})

test.each([
  ['never left', new Fault({ code: 'TRANSIENT_NETWORK', message: 'away', retryable: true, isUnsent: true }), 1],
  ['was turned away', new Fault({ code: 'RATE_LIMIT', message: 'slow down', retryable: true }), 1],
  ['broke off', new Fault({ code: 'TRANSIENT_NETWORK', message: 'broke off', retryable: true }), 0],
])('a call that %s gives its money back where nothing can have been spent', async (_, fault, givenBack) => {
  const { desk } = deskOf(1_000)
  const settled: Amount[] = []
  const outcomes: (number | null)[] = []
  const reserve = async () => ({
    settle: async (used: Amount) => void settled.push(used),
    record: async ({ costMicros }: ModelCall) => void outcomes.push(costMicros),
  })
  const away: Chain = [{ ...modelOf('acme/dear', 10), ask: () => Promise.reject(fault) }]
  await expect(askOf(away, { ...desk, reserve })(asked)).rejects.toBe(fault)
  expect(settled).toEqual(givenBack === 1 ? [{ micros: 0, tokens: 0 }] : [])
  expect(outcomes).toEqual([givenBack === 1 ? 0 : null])
})

test('a cheaper model that fails is a failure, and no reason to ask for money', async () => {
  const ask = () => Promise.reject(new Fault({ code: 'RATE_LIMIT', message: 'slow down', retryable: true }))
  const away: Chain = [modelOf('acme/dear', 10), { ...modelOf('acme/cheap', 1), ask }]
  await expect(askOf(away, deskOf(150).desk)(asked)).rejects.toThrow('slow down')
})
