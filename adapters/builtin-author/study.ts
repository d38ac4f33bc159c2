import { createHash } from 'node:crypto'
import { counted } from '../../core/model/counted.ts'
import type { AuthorRequest, DecisionRecord } from '../../core/ports.ts'
import { type Requirement, requirementsOf } from './classes.ts'
import { type Comments, commentsOf } from './comments.ts'
import { type Facts, factsOf } from './facts.ts'
import { inline } from './markdown.ts'
import { type Milestone, milestonesOf } from './plan.ts'
import { type Gap, type OpenQuestion, questionsOf } from './questions.ts'
import { asideTopics, type Readme, readReadme } from './readme.ts'
import { type Risk, risksOf } from './risks.ts'
import { type Passage, passagesOf, type Statement, statementsOf } from './statements.ts'
import { type Terms, termsOf } from './terms.ts'

/** Everything the pages are written from: a function of the request alone. */
export type Study = {
  readonly name: string
  readonly request: AuthorRequest
  readonly readme: Readme
  readonly readmeSha256: string
  readonly passages: readonly Passage[]
  /** Sentences and list items about the product itself: no cells, no links, no credits. */
  readonly told: readonly Passage[]
  /** Without non-goals, in README order. */
  readonly requirements: readonly Requirement[]
  readonly nonGoals: readonly Statement[]
  readonly facts: Facts
  readonly terms: Terms
  readonly milestones: readonly Milestone[]
  readonly questions: readonly OpenQuestion[]
  readonly comments: Comments
  readonly risks: readonly Risk[]
  readonly decisions: readonly DecisionRecord[]
}

export function studyOf(request: AuthorRequest): Study {
  const { name } = request.project
  const readme = readReadme(request.readme.path, request.readme.bytes)
  const passages = passagesOf(readme)
  const statements = statementsOf(passages)
  const facts = factsOf(readme, passages, name)
  const requirements = requirementsOf(statements)
  const material = { name, readme, passages, statements, facts, owners: request.owners }
  const questions = questionsOf(material)
  return {
    name,
    request,
    readme,
    readmeSha256: createHash('sha256').update(request.readme.bytes).digest('hex'),
    passages,
    told: passages.filter(
      ({ wordy, unit, section }) => wordy && unit.kind !== 'cell' && !asideTopics.includes(section.topic),
    ),
    requirements,
    nonGoals: statements.filter(({ kind }) => kind === 'non-goal'),
    facts,
    terms: termsOf(readme, passages),
    milestones: milestonesOf(readme, passages, requirements),
    questions,
    comments: commentsOf(request, questions),
    risks: risksOf(material),
    decisions: request.decisions,
  }
}

/** `README.md:31`, as code. */
export function cite({ readme }: Study, line: number): string {
  return `\`${readme.path.replace(/[`\s]/g, '_')}:${line}\``
}

/**
 * One sentence where a section has nothing of its own: what is missing, and the question that asks for it or the answer
 * it got. `otherwise` is said when there is no such question, because the README covers the topic or has no need of it.
 */
export function gap(study: Study, topic: Gap, lead: string, otherwise: string): string {
  const question = study.questions.find((each) => each.gap === topic)
  if (question === undefined) return otherwise
  const answers = study.comments.answers.get(question.id) ?? []
  if (answers.length === 0)
    return `${lead}: open, see question **${question.id}** in the [anchor](ANCHOR.md#open-questions).`
  const said = answers.map(({ text }) => `“${inline(text)}”`).join('; ')
  return `${lead}: the README is silent, and ${question.id} was answered at the gate: ${said}.`
}

/** `gap` for the anchor itself, where the questions stand on the same page. */
export function gapHere(study: Study, topic: Gap, lead: string): string {
  const question = study.questions.find((each) => each.gap === topic)
  return question === undefined ? `${lead}.` : `${lead}: that is question **${question.id}**.`
}

/** `4 options and 1 variable`, without kinds the README does not have. */
export function namedInterfaces({ facts }: Study): readonly string[] {
  const kinds = [
    [facts.endpoints.length, 'endpoint'],
    [facts.commands.length, 'command'],
    [facts.options.length, 'option'],
    [facts.variables.length, 'variable'],
  ] as const
  return kinds.filter(([amount]) => amount > 0).map(([amount, kind]) => counted(amount, kind))
}
