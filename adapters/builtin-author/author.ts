import type { Author, AuthorRequest, Writing, WrittenDocument } from '../../core/ports.ts'
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

/**
 * The author that needs no model: it sorts what the README says into the twelve documents, with a quote and a line for
 * each statement, and asks about the rest. The same request gives the same bytes, on any machine, at any time.
 */
export function createBuiltinAuthor(): Author {
  return {
    name: 'built-in',
    fallback: null,
    forecast: (readmeBytes) => ({ ...free, seconds: secondsToWrite(readmeBytes) }),
    async writeAnchor(request, { signal }) {
      signal.throwIfAborted()
      const study = studyOf(request)
      return writing(study, [anchorPage(study)])
    },
    async writeSuite(request, { signal }) {
      signal.throwIfAborted()
      return writeSuite(request)
    },
  }
}

/** No model is called, so there is nothing to pay for. */
const free = { lowMicros: 0, likelyMicros: 0, highMicros: 0 }

/** Measured on the bundled example, 2.9 kB: 0.2 s to write and 0.9 s around it; long READMEs cost more. */
const secondsToWrite = (readmeBytes: number): number => Math.ceil(1.1 + readmeBytes / 50_000)

function writeSuite(request: AuthorRequest): Writing {
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
