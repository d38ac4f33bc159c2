import { dollars } from '../../core/model/amount.ts'
import { counted } from '../../core/model/counted.ts'
import { documentSuite } from '../../core/model/document-suite.ts'
import type { ArtifactRef } from '../../core/model/outcome.ts'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { Author, AuthorRequest, Finding, WrittenDocument, Writing } from '../../core/ports.ts'
import { deskFor } from './desk.ts'
import type { LintOptions } from './lint/lint.ts'
import { tuningOf } from './models.ts'
import { gatePolicy, pinnedPolicy, type Policy } from './policy.ts'
import type { ReadOutput, WritingOutput } from './shapes.ts'
import { readOutput, writingOutput } from './shapes.ts'
import { sayUnlinted } from './unlinted.ts'

const anchorPath = 'docs/ANCHOR.md'

/** Writes ANCHOR.md and presents it to the gate behind. A new round carries what people asked to change. */
export const writeAnchor = (author: Author): StepKind => ({
  timeoutMs: 300_000,
  retry: 'generation',
  onPause: 'abort',
  run: async (ctx) => {
    const read = await ctx.outputOf('read', readOutput)
    const request = await requestOf(ctx, read)
    const policy = await pinnedPolicy(ctx, read)
    const desk = deskFor(ctx, policy, { step: 'doc', milestone: null })
    const write: Write = (by, asked) => by.writeAnchor(asked, desk)
    const task = { write, check: checkAnchor, mustPass: mustPass(policy) }
    const { output, artifacts } = await keep(ctx, await writeChecked(author, request, task))
    const [artifact] = artifacts
    if (!artifact)
      throw new Fault({ code: 'MODEL_OUTPUT_INVALID', message: 'The author wrote no ANCHOR.md.', retryable: true })
    return {
      kind: 'done',
      output,
      artifacts,
      subject: await anchorSubject(ctx, read, { output, artifact }),
      policy: gatePolicy(policy, 'anchor'),
    }
  },
})

/** Writes the other eleven documents and judges all twelve. */
export const writeSuite = (author: Author): StepKind => ({
  timeoutMs: 900_000,
  retry: 'generation',
  onPause: 'abort',
  run: async (ctx) => {
    const read = await ctx.outputOf('read', readOutput)
    const anchor = await anchorText(ctx)
    const request = await requestOf(ctx, read)
    const check: Check = (documents) =>
      lint([anchor, ...documents], { expectWholeSuite: true, otherPaths: new Set([read.readme.path]) })
    const policy = await pinnedPolicy(ctx, read)
    const desk = deskFor(ctx, policy, { step: 'doc', milestone: null })
    const write: Write = (by, asked) => by.writeSuite(asked, desk)
    const task = { write, check, mustPass: mustPass(policy) }
    const { output, artifacts } = await keep(ctx, await writeChecked(author, request, task))
    return { kind: 'done', output, artifacts }
  },
})

async function requestOf(ctx: StepContext, read: ReadOutput): Promise<AuthorRequest> {
  const decisions = await ctx.decisions()
  const { snapshot, readme, owners } = read
  return {
    project: { name: snapshot.name, address: snapshot.address, branch: snapshot.branch, commit: snapshot.commit },
    readme: { path: readme.path, bytes: await ctx.read(readme) },
    updated: snapshot.committedAt.slice(0, 10),
    owners,
    comments: decisions.flatMap((decision) =>
      decision.verdict === 'changes_requested' && decision.comment ? [decision.comment] : [],
    ),
    decisions,
    repair: [],
    previous: [],
    tuning: tuningOf((await pinnedPolicy(ctx, read)).settings, 'arch'),
  }
}

type Write = (author: Author, request: AuthorRequest) => Promise<Writing>
type Check = (documents: readonly WrittenDocument[]) => Promise<readonly Finding[]>
type MustPass = (finding: Finding) => boolean
type Task = { readonly write: Write; readonly check: Check; readonly mustPass: MustPass }
type Written = Writing & Pick<WritingOutput, 'insteadOf' | 'unlinted'>

/** What nobody could go on from, whatever the project lets pass. */
const needed: ReadonlySet<string> = new Set(['document-missing', 'document-too-large', 'document-tangled'])

const mustPass = ({ settings }: Policy): MustPass =>
  settings.gates?.docs_lint === false ? ({ rule }) => needed.has(rule) : () => true

/**
 * Writes and judges; what fails is written once more with the errors as input. What fails again goes to people where the project
 * lets it, and is else written by the author's fallback; where it has none the run fails with the list.
 */
async function writeChecked(author: Author, request: AuthorRequest, task: Task): Promise<Written> {
  const { write, check } = task
  const first = await write(author, request)
  const errors = errorsOf(await check(first.documents))
  if (errors.length === 0) return { ...first, insteadOf: null, unlinted: [] }
  const second = await write(author, { ...request, repair: errors, previous: first.documents })
  const found = await check(second.documents)
  const left = errorsOf(found.filter(task.mustPass))
  if (left.length === 0) return { ...second, insteadOf: null, unlinted: errorsOf(found) }
  if (author.fallback) {
    const why = `what it wrote did not pass the lint after one repair: ${left[0]}`
    return { ...(await writeChecked(author.fallback, request, task)), insteadOf: { author: author.name, why } }
  }
  const list = left.slice(0, 20).join('\n')
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `The documents do not pass the lint after one repair:\n${list}`,
    retryable: false,
  })
}

const errorsOf = (findings: readonly Finding[]): string[] =>
  findings
    .filter((finding) => finding.severity === 'error')
    .map((finding) => `${finding.path}:${finding.line} ${finding.rule}: ${finding.message} ${finding.fix}`)

/** What reads Markdown is loaded when there is some to read: other commands answer sooner without. */
async function lint(documents: readonly WrittenDocument[], options: LintOptions): Promise<readonly Finding[]> {
  const { lintSuite } = await import('./lint/lint.ts')
  return lintSuite(documents, options)
}

/** The anchor stands alone before its gate: its links to the rest of the suite will resolve once the rest is written. */
const checkAnchor: Check = (documents) =>
  lint(documents, { expectWholeSuite: false, otherPaths: new Set(documentSuite.map((document) => document.path)) })

async function anchorText(ctx: StepContext): Promise<WrittenDocument> {
  const anchor = await ctx.outputOf('anchor', writingOutput)
  const document = anchor.documents.find(({ path }) => path === anchorPath)
  if (!document)
    throw new Fault({
      code: 'FATAL',
      message: 'The approved ANCHOR.md is not among what the run wrote.',
      retryable: false,
    })
  return { path: anchorPath, text: new TextDecoder().decode(await ctx.read(document)) }
}

async function keep(ctx: StepContext, writing: Written): Promise<{ output: WritingOutput; artifacts: ArtifactRef[] }> {
  const encoder = new TextEncoder()
  const artifacts: ArtifactRef[] = []
  for (const { path, text } of writing.documents)
    artifacts.push(await ctx.save(path, encoder.encode(text), 'text/markdown'))
  const documents = artifacts.map(({ name, sha256, sizeBytes }) => ({ path: name, sha256, sizeBytes }))
  const { requirementCount, questions, risks, insteadOf, unlinted, economies = [] } = writing
  const said = { questions: [...questions], risks: [...risks], economies: [...economies] }
  return { output: { documents, requirementCount, ...said, insteadOf, unlinted }, artifacts }
}

type Presented = { readonly output: WritingOutput; readonly artifact: ArtifactRef }

async function anchorSubject(ctx: StepContext, read: ReadOutput, { output, artifact }: Presented) {
  const before = await ctx.latest(anchorPath)
  const spent = await ctx.spent()
  return {
    artifact,
    what: `ANCHOR.md of ${read.snapshot.name}: what will be built, for whom, and what not`,
    risks: [...output.risks, ...output.economies, ...sayUnlinted('ANCHOR.md', output)],
    questions: output.questions.map(
      (question) =>
        `${question.id} ${question.text}${question.line === null ? '' : ` (${read.readme.path}:${question.line})`}`,
    ),
    changes: before && before.sha256 !== artifact.sha256 ? await changedLines(ctx, before, artifact) : [],
    facts: [
      output.requirementCount === 0
        ? 'no requirements yet'
        : `${counted(output.requirementCount, 'requirement')}, each cited`,
      `${artifact.sizeBytes} bytes`,
      ...(output.insteadOf ? [`written without ${output.insteadOf.author}, because ${output.insteadOf.why}`] : []),
      spent.micros === 0 ? 'cost $0' : `cost ${dollars(spent.micros)}`,
      ...(read.snapshot.hasUncommittedChanges ? ['uncommitted changes in the folder were not read'] : []),
    ],
  }
}

/** At most these many changed lines fit a card; the rest is a /diff away. */
const changedLinesShown = 12

async function changedLines(ctx: StepContext, before: ArtifactRef, after: ArtifactRef): Promise<string[]> {
  const [old, fresh] = await Promise.all([linesOf(ctx, before), linesOf(ctx, after)])
  const removed = old.filter((line) => !fresh.includes(line)).map((line) => `- ${line}`)
  const added = fresh.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)
  return [...removed, ...added].slice(0, changedLinesShown)
}

async function linesOf(ctx: StepContext, artifact: ArtifactRef): Promise<string[]> {
  const text = new TextDecoder().decode(await ctx.read(artifact))
  return text.split('\n').filter((line) => line.trim() !== '')
}
