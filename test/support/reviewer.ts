import { LLMock } from '@copilotkit/aimock'
import { onTestFinished } from 'vitest'
import { createLanguageModel } from '../../adapters/ai/language-model.ts'
import { createModelReviewer } from '../../adapters/model-reviewer/reviewer.ts'
import type { Bug, CriterionReview, Reviewer } from '../../core/workshop.ts'

/** What a model of ours says to the n-th question, for whoever asks it to review. */
export type Saying = (question: string, n: number) => string

/** The product's reviewer over a provider of ours, which answers like this. */
export async function scriptedReviewer(say: Saying): Promise<Reviewer & { readonly questions: readonly string[] }> {
  const mock = new LLMock({ port: 0 })
  const questions: string[] = []
  const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
  mock.on({ userMessage: /criteria of M-/ }, ({ messages }) => {
    const content = messages.at(-1)?.content
    const question = typeof content === 'string' ? content : ''
    questions.push(question)
    return { content: say(question, questions.length), usage, finishReason: 'stop' }
  })
  await mock.start()
  onTestFinished(() => mock.stop())
  const name = 'compatible/critic'
  const model = await createLanguageModel({
    name,
    provider: 'compatible',
    model: 'critic',
    apiKey: null,
    baseUrl: `${mock.url}/v1`,
  })
  return { ...createModelReviewer({ models: [model] }), questions }
}

/** An answer that says the same of every criterion of a question. */
export function sayOfAll(
  question: string,
  verdict: CriterionReview['verdict'],
  why: string,
  bugs: readonly Bug[] = [],
) {
  const [, , block = ''] = /<<< milestone with its criteria (\w+)\n([\s\S]*?)\n>>> \1/.exec(question) ?? []
  const numbers = [...block.matchAll(/^(\d+)\. /gm)].map((match) => Number(match[1]))
  return JSON.stringify({ criteria: numbers.map((number) => ({ number, verdict, why })), bugs })
}
