import type { AuthorRequest } from '../../core/ports.ts'
import { printable } from './markdown.ts'
import type { OpenQuestion } from './questions.ts'

export type Answer = { readonly text: string; readonly by: string }

/** What people said at gates: answers by question id, and everything else, oldest first. */
export type Comments = {
  readonly answers: ReadonlyMap<string, readonly Answer[]>
  readonly requests: readonly Answer[]
}

/**
 * A comment that names an open question (`Q1: only admins`) answers it; one comment may answer several. What names no
 * question that exists is a requested change.
 */
export function commentsOf(request: AuthorRequest, questions: readonly OpenQuestion[]): Comments {
  const known = new Set(questions.map(({ id }) => id))
  const answers = new Map<string, Answer[]>()
  const requests: Answer[] = []
  for (const comment of request.comments) {
    const by = whoSaid(request, comment)
    for (const part of partsOf(comment)) {
      const ids = [...new Set([...part.matchAll(/\bQ(\d{1,4})\b/gi)].map(([, digits]) => `Q${digits}`))].filter((id) =>
        known.has(id),
      )
      const text = printable(part.replace(/^\s*Q\d{1,4}\s*[:=.)–—-]+\s*/i, ''))
      if (text === '') continue
      if (ids.length === 0) requests.push({ text: printable(part), by })
      for (const id of ids) answers.set(id, [...(answers.get(id) ?? []), { text, by }])
    }
  }
  return { answers, requests }
}

/** A comment cut before each `Qn:`. */
function partsOf(comment: string): readonly string[] {
  return comment
    .split(/(?=\bQ\d{1,4}\s*[:=])/i)
    .map((part) => part.replace(/[;,\s]+$/, ''))
    .filter((part) => part.trim() !== '')
}

function whoSaid({ decisions }: AuthorRequest, comment: string): string {
  const decision = decisions.findLast((each) => each.comment === comment)
  return decision === undefined
    ? 'at the gate'
    : `${decision.role} ${decision.pseudonym}, gate ${decision.gate}, ${decision.decidedOn}`
}
