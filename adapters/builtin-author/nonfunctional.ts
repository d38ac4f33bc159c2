import type { WrittenDocument } from '../../core/ports.ts'
import { type Class, measuresOf } from './classes.ts'
import { cell, clip, code, inline, listed, table } from './markdown.ts'
import { page } from './page.ts'
import { cite, gap, type Study } from './study.ts'

/** 50_nonfunctional: how well the product must do what it does, with the figure that would prove it. */
export function nonfunctionalPage(study: Study): WrittenDocument {
  const lead =
    'A quality without a figure cannot be tested. The table beside each shows the README’s figure, or that there is none.'
  return page(study, '50_nonfunctional', lead, [
    {
      heading: 'Reliability',
      blocks: [...qualities(study, ['reliability', 'performance']), ...reliabilityGaps(study)],
    },
    { heading: 'Security and privacy', blocks: [...qualities(study, ['security']), ...securityGaps(study)] },
    { heading: 'Observability', blocks: [...qualities(study, ['observability']), ...observed(study)] },
  ])
}

function qualities(study: Study, classes: readonly Class[]): readonly string[] {
  const held = study.requirements.filter((each) => classes.includes(each.class))
  if (held.length === 0) return []
  const rows = held.map(({ id, plain, label }) => {
    const figures = measuresOf(plain).map((figure) => code(figure, true))
    return [id, cell(clip(label, 160)), figures.length === 0 ? 'no figure' : listed(figures)]
  })
  return [table(['Requirement', 'Quality', 'Figure'], rows)]
}

function reliabilityGaps(study: Study): readonly string[] {
  const figures =
    'The README gives figures with its functional requirements; it sets none for load or availability as such.'
  const limits = study.requirements.some((each) => each.class === 'performance')
    ? ''
    : gap(study, 'limits', 'Load and speed', figures)
  const errors = gap(study, 'errors', 'Behaviour on failure', '')
  return [limits, errors].filter((each) => each !== '')
}

function securityGaps(study: Study): readonly string[] {
  const silent = study.requirements.some((each) => each.class === 'security')
    ? ''
    : 'No requirement of the README is about security or privacy.'
  const secrets = study.facts.variables
    .filter(({ name }) => /SECRET|TOKEN|PASSWORD|_KEY$|_URL$|DSN/.test(name))
    .map(({ name }) => code(name))
  const held =
    secrets.length === 0
      ? ''
      : `Values that may hold a secret, by their names: ${listed(secrets, 8)}. They belong in the environment and never in a log.`
  return [
    silent,
    gap(study, 'authentication', 'Who may do what', ''),
    gap(study, 'retention', 'How long data lives', ''),
    held,
  ].filter((each) => each !== '')
}

function observed(study: Study): readonly string[] {
  if (study.requirements.some((each) => each.class === 'observability')) return []
  const told = study.told.filter(({ plain }) =>
    /\b(?:logs?|logging|metrics?|monitoring|healthz?|stderr|standard error|tracing|alerts?)\b|журнал|логи\b|метрик|мониторинг|Protokoll|日志|监控/iu.test(
      plain,
    ),
  )
  if (told.length === 0)
    return [
      gap(
        study,
        'observability',
        'What an operator can see',
        'The README describes nothing that an operator would have to watch: no log, no metric, no health check.',
      ),
    ]
  return [
    told
      .slice(0, 8)
      .map(({ plain, line }) => `- It says: “${inline(clip(plain, 220))}” (${cite(study, line)})`)
      .join('\n'),
  ]
}
