import { join } from 'node:path'
import type {
  Author,
  AuthorDesk,
  AuthorRequest,
  Forecast,
  LanguageModel,
  ModelRequest,
  WrittenDocument,
  Writing,
} from '../../core/ports.ts'
import type { Answered, Chain } from '../asking/ask.ts'
import { askOf, chainOf } from '../asking/ask.ts'
import type { Prompt } from '../asking/prompt.ts'
import { asData, readPrompt } from '../asking/prompt.ts'

type Options = {
  readonly models: Chain
  /** Makes the drafts, and writes what no model gets right. */
  readonly draft: Author
}

/** Tokens of one document, where quantapilot.yml names no number. */
const usualOutputTokens = 8_000

/** Documents that are written at once. */
const abreast = 4

/**
 * An author whose documents a model writes. A program makes each draft from the README, and the model rewrites its body: front
 * matter, questions and the count of requirements stay those of the draft.
 */
export function createModelAuthor({ models, draft }: Options): Author {
  const prompt = readPrompt(join(import.meta.dirname, 'prompts'), 'revise')
  const [first] = models
  const rewrite = (request: AuthorRequest, desk: AuthorDesk) => async (writing: Writing) => {
    const ask = askOf(chainOf(models, request.tuning.model, 'models.arch.model'), desk)
    const documents = await inTurn(writing.documents, (document) => revise({ prompt, request, ask }, document))
    return { ...writing, documents }
  }
  return {
    name: first.name,
    fallback: draft,
    forecast: (readmeBytes) => forecastOf(first, prompt, { ...draft.forecast(readmeBytes), readmeBytes }),
    writeAnchor: async (request, desk) => rewrite(request, desk)(await draft.writeAnchor(request, desk)),
    writeSuite: async (request, desk) => rewrite(request, desk)(await draft.writeSuite(request, desk)),
  }
}

type Revision = {
  readonly prompt: Prompt
  readonly request: AuthorRequest
  readonly ask: (request: ModelRequest, purpose: string) => Promise<Answered>
}

/** Writes one document anew; one that was written before and that the lint had nothing against is kept as it was. */
async function revise({ prompt, request, ask }: Revision, document: WrittenDocument): Promise<WrittenDocument> {
  const findings = request.repair.filter((finding) => finding.startsWith(`${document.path}:`))
  const before = request.previous.find(({ path }) => path === document.path)
  if (before && findings.length === 0) return before
  const { head, body } = partsOf(document.text)
  const question = questionOf(prompt, request, { ...document, text: body, before: before?.text ?? null, findings })
  const { text, isCut } = await ask(question, `writing ${document.path}`)
  // Half a document is none: the lint finds so, and asks once more.
  return { path: document.path, text: `${head}${isCut ? '' : bare(text)}\n` }
}

type Subject = WrittenDocument & { readonly before: string | null; readonly findings: readonly string[] }

function questionOf({ text: system }: Prompt, request: AuthorRequest, subject: Subject): ModelRequest {
  const { comments, decisions, readme, tuning } = request
  const decided = decisions.map(({ gate, verdict, role, pseudonym }) => `${gate}: ${verdict} by ${role} ${pseudonym}`)
  const parts = [
    asData(`README, the file ${readme.path}`, new TextDecoder().decode(readme.bytes)),
    ...(decided.length > 0 ? [asData('decisions', decided.join('\n'))] : []),
    ...(comments.length > 0 ? [asData('comments of people', comments.join('\n\n'))] : []),
    asData(`draft of ${subject.path}`, subject.text),
    ...(subject.before === null ? [] : [asData('your last answer', partsOf(subject.before).body)]),
    ...(subject.findings.length > 0 ? [asData('findings of the check', subject.findings.join('\n'))] : []),
    `Write ${subject.path}.`,
  ]
  return {
    system,
    prompt: parts.join('\n\n'),
    maxOutputTokens: tuning.maxOutputTokens ?? usualOutputTokens,
    temperature: tuning.temperature,
    answer: null,
  }
}

/** The front matter with the line behind it, and the rest. */
function partsOf(text: string): { readonly head: string; readonly body: string } {
  const head = /^---\n[\s\S]*?\n---\n+/.exec(text)?.[0] ?? ''
  return { head, body: text.slice(head.length) }
}

/** What some models put around an answer in spite of all. */
const bare = (answer: string): string => {
  const text = answer.trim()
  const fenced = /^```(?:markdown|md)?\n([\s\S]*)\n```$/.exec(text)?.[1] ?? text
  return fenced.replace(/^---\n[\s\S]*?\n---\n+/, '').trim()
}

/** What a document is, at most, beside the README: the draft, what people said, and what stands around. */
const besideReadmeBytes = 16_000

const documentCount = 12
const secondsEach = 30

/** Low: each document once, at half its most; high: each document twice, at its most. */
function forecastOf(
  model: LanguageModel,
  { text }: Prompt,
  base: Forecast & { readonly readmeBytes: number },
): Forecast {
  const prompt = 'x'.repeat(base.readmeBytes + besideReadmeBytes)
  const request = { system: text, prompt, maxOutputTokens: usualOutputTokens, temperature: null, answer: null }
  const most = model.worstCase(request).micros * documentCount
  return {
    lowMicros: Math.round(most / 8),
    likelyMicros: Math.round(most / 4),
    highMicros: most * 2,
    seconds: base.seconds + (documentCount / abreast) * secondsEach,
  }
}

/** The results in the order of the documents; a few at once. The first failure ends it once those under way have ended. */
async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let from = 0; from < items.length; from += abreast) {
    const settled = await Promise.allSettled(items.slice(from, from + abreast).map(work))
    for (const each of settled) {
      if (each.status === 'rejected') throw each.reason
      results.push(each.value)
    }
  }
  return results
}
