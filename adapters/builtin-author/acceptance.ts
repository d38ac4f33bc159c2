import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { measuresOf } from './classes.ts'
import { bullets, clip, code, inline, listed, table } from './markdown.ts'
import { page } from './page.ts'
import { cite, gap, type Study } from './study.ts'

/** 40_acceptance: what must be true before documents, milestones and changes are accepted. */
export function acceptancePage(study: Study): WrittenDocument {
  const lead = 'Acceptance is a person’s decision about exact bytes. This page says what to look at before deciding.'
  return page(study, '40_acceptance', lead, [
    { heading: 'Documentation', blocks: documentation(study) },
    { heading: 'Milestone acceptance', blocks: milestoneAcceptance(study) },
    { heading: 'Quality gates', blocks: qualityGates(study) },
  ])
}

function documentation(study: Study): readonly (string | null)[] {
  const { requirements, nonGoals, questions, comments, request } = study
  const open = questions.filter(({ id }) => !comments.answers.has(id)).map(({ id }) => id)
  return [
    bullets([
      `Each of the ${requirements.length + nonGoals.length} statements of the README stands once in [Requirements](20_requirements.md), with its bytes and its line.`,
      'No document says a thing that the README does not say; what is missing is a question.',
      open.length === 0
        ? 'Every question is answered.'
        : `${listed(open, 20)} ${open.length === 1 ? 'is' : 'are'} answered, or accepted as open by the person who approves.`,
    ]),
    request.repair.length === 0
      ? null
      : `The lint found ${counted(request.repair.length, 'fault')} in the last version. This author writes the same text from the same README, so these need a change of the README or a report of a defect:`,
    request.repair.length === 0
      ? null
      : bullets(request.repair.slice(0, 30).map((finding) => inline(clip(finding, 240)))),
  ]
}

function milestoneAcceptance(study: Study): readonly (string | null)[] {
  const rows = study.milestones.map(({ id, statements }) => {
    const measured = statements.flatMap(({ id: requirement, plain }) => {
      const measures = measuresOf(plain).map((measure) => code(measure, true))
      return measures.length === 0 ? [] : [`${requirement}: ${listed(measures)}`]
    })
    const open = study.questions.filter(
      ({ requirement, id: question }) =>
        statements.some((each) => each.id === requirement) && !study.comments.answers.has(question),
    )
    return [
      id,
      String(statements.length),
      measured.length === 0 ? 'none given' : listed(measured, 4),
      open.length === 0
        ? 'none'
        : listed(
            open.map((each) => each.id),
            6,
          ),
    ]
  })
  if (rows.length === 0) return ['There is nothing to accept until the README asks for something.']
  return [
    'A milestone is accepted when every criterion of it is shown to hold. Measures are the README’s own figures; questions must be answered first.',
    table(['Milestone', 'Criteria', 'Measures', 'Waits for'], rows),
  ]
}

const quality =
  /\b(?:tests?|testing|tested|coverage|lint(?:s|ing|er)?|CI|continuous integration|code review|type[- ]?check\w*)\b|тест(?!о)|ревью|покрыти|Testabdeckung|essais?\b|pruebas|测试|テスト|테스트/iu

function qualityGates(study: Study): readonly (string | null)[] {
  const told = study.told.filter(({ plain }) => quality.test(plain))
  const commands = study.facts.shell.flatMap(({ text, line }) =>
    text
      .split('\n')
      .flatMap((row, index) =>
        /\b(?:test|lint|check|coverage)\b/.test(row) && !row.trim().startsWith('#')
          ? [`${code(row.replace(/^\s*\$\s*/, ''))} (${cite(study, line + index + 1)})`]
          : [],
      ),
  )
  if (told.length + commands.length === 0)
    return [
      gap(
        study,
        'tests',
        'Which checks a change must pass',
        'The README mentions tests without saying which must pass.',
      ),
    ]
  return [
    told.length === 0
      ? null
      : bullets(told.slice(0, 12).map(({ plain, line }) => `“${inline(clip(plain, 200))}” (${cite(study, line)})`)),
    commands.length === 0 ? null : `Commands the README gives for it: ${listed(commands, 8)}.`,
  ]
}
