import type { AuthorRequest, Writing, WrittenDocument } from '../../core/ports.ts'
import { acceptancePage } from './acceptance.ts'
import { adrsPage } from './adrs.ts'
import { anchorPage } from './anchor.ts'
import { architecturePage } from './architecture.ts'
import { constraintsPage } from './constraints.ts'
import { glossaryPage } from './glossary.ts'
import { interfacesPage } from './interfaces.ts'
import { printable } from './markdown.ts'
import { milestonesPage } from './milestones.ts'
import { nonfunctionalPage } from './nonfunctional.ts'
import { overviewPage } from './overview.ts'
import { requirementsPage } from './requirements.ts'
import { runbookPage } from './runbook.ts'
import { type Study, studyOf } from './study.ts'

/** The first document, which the others rest on. */
export function writeAnchor(request: AuthorRequest): Writing {
  const study = studyOf(request)
  return writing(study, [anchorPage(study)])
}

/** The other eleven, in suite order. */
export function writeSuite(request: AuthorRequest): Writing {
  const study = studyOf(request)
  const pages = [
    overviewPage,
    architecturePage,
    requirementsPage,
    milestonesPage,
    acceptancePage,
    nonfunctionalPage,
    constraintsPage,
    runbookPage,
    adrsPage,
    interfacesPage,
    glossaryPage,
  ]
  return writing(
    study,
    pages.map((page) => page(study)),
  )
}

function writing(study: Study, documents: readonly WrittenDocument[]): Writing {
  const { questions, comments, risks, readme, requirements, request } = study
  const repair =
    request.repair.length === 0
      ? []
      : [
          `${request.repair.length} lint findings on the last version cannot be repaired by writing it again: ${printable(request.repair[0] ?? '')}`,
        ]
  return {
    documents,
    requirementCount: requirements.length,
    questions: questions
      .filter(({ id }) => !comments.answers.has(id))
      .map(({ id, text, line }) => ({ id, text: printable(text), line })),
    risks: [
      ...repair,
      ...risks.map(
        ({ text, quote, line }) =>
          `${text}${quote === null ? '' : `: “${quote}”`}${line === null ? '' : ` (${readme.path}:${line})`}`,
      ),
    ],
  }
}
