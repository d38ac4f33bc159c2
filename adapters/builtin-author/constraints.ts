import type { WrittenDocument } from '../../core/ports.ts'
import type { Class } from './classes.ts'
import { bullets, clip, code, inline, listed } from './markdown.ts'
import { page } from './page.ts'
import type { Topic } from './words.ts'
import { cite, gap, type Study } from './study.ts'

/** 60_constraints: what is settled before any work starts. */
export function constraintsPage(study: Study): WrittenDocument {
  const lead = 'Things that are given. Changing one of them is a decision of its own and gets a record.'
  return page(study, '60_constraints', lead, [
    { heading: 'Technical', blocks: technical(study) },
    { heading: 'Process', blocks: process(study) },
    { heading: 'Compliance', blocks: compliance(study) },
  ])
}

function technical(study: Study): readonly string[] {
  const { stores, variables, shell, samples } = study.facts
  const languages = [...new Set(samples.map(({ language }) => language).filter((language) => language !== ''))]
  const tools = [
    ...new Set(
      shell.flatMap(
        ({ text }) =>
          text.match(
            /(?<=^\s*(?:\$\s*)?(?:sudo\s+)?)(?:npm|npx|pnpm|yarn|bun|deno|pip3?|poetry|docker|cargo|go|make|mvn|gradle|composer|gem|brew)(?=\s)/gm,
          ) ?? [],
      ),
    ),
  ]
  const lines = [
    ...given(study, ['platform']),
    stores.length === 0
      ? null
      : `Data lives in ${listed(stores.map(({ name, line }) => `${inline(name)} (${cite(study, line)})`))}.`,
    tools.length === 0
      ? null
      : `The README’s commands use ${listed(
          tools.map((tool) => code(tool)),
          8,
        )}.`,
    languages.length === 0
      ? null
      : `Its samples are written in ${listed(
          languages.map((language) => code(language)),
          8,
        )}.`,
    variables.length === 0
      ? null
      : `Configuration is read from ${listed(
          variables.map(({ name }) => code(name)),
          8,
        )}.`,
  ].filter((each) => each !== null)
  return lines.length > 0
    ? [bullets(lines)]
    : [gap(study, 'deployment', 'Platform and tools', 'The README demands no platform and names no tool.')]
}

function process(study: Study): readonly string[] {
  const lines = [...given(study, ['process']), ...told(study, ['contributing'])]
  const always =
    'Changes are reviewed on a branch of their own and reach the default branch only after a person’s decision ([ADR-0001](80_adrs.md)).'
  const silent = gap(study, 'owners', 'Who reviews', '')
  return [bullets([always, ...lines, ...(silent === '' ? [] : [silent])])]
}

function compliance(study: Study): readonly string[] {
  const licence = told(study, ['licence'])
  const personal = study.passages
    .filter(
      ({ plain, section }) =>
        section.topic !== 'licence' &&
        /\b(?:personal data|GDPR|HIPAA|PCI|privacy)\b|персональн|152-ФЗ|DSGVO|personenbezogen|RGPD|données personnelles|datos personales|个人信息|個人情報/iu.test(
          plain,
        ),
    )
    .map(({ plain, line }) => `Privacy: “${inline(clip(plain, 200))}” (${cite(study, line)})`)
  const lines = [...given(study, ['compliance']), ...licence, ...personal.slice(0, 6)]
  const missing = gap(study, 'licence', 'Licence', '')
  if (lines.length === 0) return [missing || 'The README mentions a licence in passing and no rule to comply with.']
  return [bullets(lines), missing]
}

function given(study: Study, classes: readonly Class[]): readonly string[] {
  return study.requirements
    .filter((each) => classes.includes(each.class))
    .map(({ id, label, line }) => `${inline(clip(label, 200))} — ${id}, ${cite(study, line)}`)
}

/** What the README says under headings of these topics without wording it as a requirement. */
function told(study: Study, topics: readonly Topic[]): readonly string[] {
  const known = new Set([...study.requirements, ...study.nonGoals].map(({ start }) => start))
  return study.passages
    .filter(({ section, start, unit }) => topics.includes(section.topic) && unit.kind !== 'cell' && !known.has(start))
    .slice(0, 8)
    .map(
      ({ plain, line, section }) =>
        `${inline(clip(section.title, 40))}: “${inline(clip(plain, 200))}” (${cite(study, line)})`,
    )
}
