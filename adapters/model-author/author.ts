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
import type { Answered, Asked } from '../asking/ask-one.ts'
import { askOf, type Chain, chainOf, isTooDear } from '../asking/ask.ts'
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
    const ask = askOf(chainOf(models, request.tuning, 'models.arch.model'), desk)
    const revised = await inTurn(writing.documents, (document) => revise({ prompt, request, ask }, document))
    const economies = revised.flatMap(({ thrift }) => thrift ?? [])
    return { ...writing, documents: revised.map(({ document }) => document), economies }
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
  readonly ask: (asked: Asked) => Promise<Answered>
}

/** Writes one document anew; one that was written before and that the lint had nothing against is kept as it was. */
async function revise({ prompt, request, ask }: Revision, document: WrittenDocument): Promise<Revised> {
  const findings = request.repair.filter((finding) => finding.startsWith(`${document.path}:`))
  const before = request.previous.find(({ path }) => path === document.path)
  if (before && findings.length === 0) return { document: before, thrift: null }
  const { head, body } = partsOf(document.text)
  const subject = { ...document, text: body, before: before?.text ?? null, findings }
  const whole = questionOf(prompt, request, subject)
  const { text, isCut, thrift } = await ask({
    request: whole,
    prompt,
    purpose: `writing ${document.path}`,
    shorter: { ...questionOf(prompt, { ...request, readme: null }, subject), maxOutputTokens: shortOf(whole, body) },
  })
  // Half a document is none: the lint finds so, and asks once more.
  return { document: { path: document.path, text: `${head}${isCut ? '' : bare(text)}\n` }, thrift }
}

/** Room for a document half as long again as its draft, at four bytes to a token and never less than a page. */
const shortOf = ({ maxOutputTokens }: ModelRequest, draft: string): number =>
  Math.min(maxOutputTokens, Math.max(1_000, Math.ceil((Buffer.byteLength(draft) * 1.5) / 3)))

type Revised = { readonly document: WrittenDocument; readonly thrift: string | null }

type Subject = WrittenDocument & { readonly before: string | null; readonly findings: readonly string[] }

/** Without a README the draft stands alone: it quotes the lines it is made from. */
type Material = Omit<AuthorRequest, 'readme'> & { readonly readme: AuthorRequest['readme'] | null }

function questionOf({ text: system }: Prompt, request: Material, subject: Subject): ModelRequest {
  const { comments, decisions, readme, tuning } = request
  const decided = decisions.map(({ gate, verdict, role, pseudonym }) => `${gate}: ${verdict} by ${role} ${pseudonym}`)
  const parts = [
    ...(readme ? [asData(`README, the file ${readme.path}`, new TextDecoder().decode(readme.bytes))] : []),
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

/**
 * Low: each document once and short, a token to five bytes of its question; likely: once, a token to three bytes; high: each
 * document twice, at its most.
 */
function forecastOf(
  model: LanguageModel,
  { text }: Prompt,
  base: Forecast & { readonly readmeBytes: number },
): Forecast {
  const bytes = base.readmeBytes + besideReadmeBytes
  const costOf = (length: number, maxOutputTokens: number): number => {
    const prompt = 'x'.repeat(Math.ceil(length))
    return model.worstCase({ system: text, prompt, maxOutputTokens, temperature: null, answer: null }).micros
  }
  return {
    lowMicros: costOf(bytes / 5, 400) * documentCount,
    likelyMicros: costOf(bytes / 3, 1_500) * documentCount,
    highMicros: costOf(bytes, usualOutputTokens) * documentCount * 2,
    seconds: base.seconds + (documentCount / abreast) * secondsEach,
  }
}

/**
 * The results in the order of the documents; a few at once. One that money did not hold beside the others is tried again alone,
 * once they have said what they cost. The first failure ends it once those under way have ended.
 */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += abreast) {
    const batch = items.slice(from, from + abreast)
    const settled = await Promise.allSettled(batch.map(work))
    const hadCompany = settled.some(({ status }) => status === 'fulfilled')
    for (const [index, each] of settled.entries()) {
      const item = batch[index]
      if (each.status === 'fulfilled') results.push(each.value)
      else if (hadCompany && item !== undefined && isTooDear(each.reason)) results.push(await work(item))
      else throw each.reason
    }
  }
  return results
}
