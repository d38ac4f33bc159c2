import { counted } from '../../core/model/counted.ts'
import type { WrittenDocument } from '../../core/ports.ts'
import { bullets, clip, fenced, inline, listed } from './markdown.ts'
import { headingsFor, page } from './page.ts'
import type { CodeBlock } from './readme.ts'
import { cite, gap, type Study } from './study.ts'
import type { Topic } from './words.ts'

/** 70_runbook: the README's own commands, by the moment they are needed. */
export function runbookPage(study: Study): WrittenDocument {
  const lead = 'Commands are the README’s, unchanged and not tried out here. Read a command before running it.'
  return page(study, '70_runbook', lead, [
    { heading: 'Onboarding', blocks: onboarding(study) },
    { heading: 'Operations', blocks: operations(study) },
    { heading: 'Incident response', blocks: incidents(study) },
  ])
}

const startTopics: readonly Topic[] = ['install', 'contributing', 'purpose']

function momentOf(study: Study, block: CodeBlock): 'start' | 'run' | 'repair' {
  if (block.section.topic === 'trouble') return 'repair'
  const installs =
    /^\s*(?:\$\s*)?(?:sudo\s+)?(?:npm (?:ci|i|install)|pnpm (?:i|install|add)|yarn(?: add| install)?\s*$|yarn add|bun (?:add|install)|pip3? install|go (?:get|install)|cargo (?:add|install)|brew install|apt(?:-get)? install|git clone|gem install|composer require)\b/m
  return startTopics.includes(block.section.topic) || installs.test(block.text) || study.facts.shell[0] === block
    ? 'start'
    : 'run'
}

function onboarding(study: Study): readonly (string | null)[] {
  const blocks = study.facts.shell.filter((block) => momentOf(study, block) === 'start')
  const needs = study.requirements.filter((each) => each.class === 'platform')
  const before =
    needs.length === 0
      ? null
      : `Needed first, as the README words it: ${listed(
          needs.map(({ plain, id }) => `${inline(clip(plain, 90))} (${id})`),
          5,
        )}`
  if (blocks.length > 0) return [before, ...commands(study, blocks)]
  return [
    before,
    ...steps(
      study,
      ['install'],
      gap(study, 'deployment', 'How to install it', 'The README describes no installation in commands.'),
    ),
  ]
}

function operations(study: Study): readonly (string | null)[] {
  const blocks = study.facts.shell.filter((block) => momentOf(study, block) === 'run')
  const variables = study.facts.variables.filter(({ says }) => says !== null)
  const rows = variables.map(({ name, says }) => `${inline(`\`${name}\``)}: ${inline(clip(says ?? '', 120))}`)
  const beyond = study.facts.shell.some((block) => momentOf(study, block) === 'start') ? ' beyond the ones above' : ''
  const otherwise =
    study.facts.commands.length > 0
      ? 'The commands that the README names are in [Interfaces](90_api.md).'
      : `The README gives no command for daily work${beyond}.`
  const words = steps(study, ['deployment', 'usage'], '')
  const inWords = words.length === 0 ? [otherwise] : ['### In the README’s words', ...words]
  return [
    rows.length === 0 ? null : '### Settings',
    rows.length === 0 ? null : bullets(rows),
    ...(blocks.length > 0 ? commands(study, blocks) : inWords),
  ]
}

function incidents(study: Study): readonly (string | null)[] {
  const blocks = study.facts.shell.filter((block) => momentOf(study, block) === 'repair')
  const otherwise =
    'The README mentions errors where it describes functions and has no instructions for an operator; the quotes stand in [Requirements](20_requirements.md).'
  return [
    ...steps(
      study,
      ['trouble', 'observability'],
      blocks.length > 0 ? '' : gap(study, 'errors', 'What to do when it fails', otherwise),
    ),
    ...commands(study, blocks),
    ...signs(study),
  ]
}

/** Sentences that say how failure shows. */
function signs(study: Study): readonly string[] {
  const told = study.passages.filter(
    ({ plain, unit, section }) =>
      unit.kind === 'prose' &&
      section.topic !== 'trouble' &&
      /\b(?:errors? (?:go|are|is)|fails?|health|healthz|exit codes?|timeouts?)\b|ошибк|недоступ|Fehler|erreur|échec|错误/iu.test(
        plain,
      ),
  )
  return told.length === 0
    ? []
    : [
        'How failure shows, as the README has it:',
        told
          .slice(0, 6)
          .map(({ plain, line }) => `- ${inline(clip(plain, 200))} (${cite(study, line)})`)
          .join('\n'),
      ]
}

const mostBlocks = 40

/** Code blocks under their sections, each with the line it starts on. */
function commands(study: Study, blocks: readonly CodeBlock[]): readonly string[] {
  const shown = blocks.slice(0, mostBlocks)
  const headings = headingsFor(
    shown.map(({ section }) => section),
    'From the introduction',
  )
  const out = shown.flatMap((block, index) => [
    ...(shown[index - 1]?.section === block.section ? [] : [headings.get(block.section) ?? '']),
    `From ${cite(study, block.line)}:`,
    fenced(block.language || 'sh', block.text),
  ])
  const more = blocks.length - shown.length
  return more === 0 ? out : [...out, `The README has ${counted(more, 'more block')} of commands.`]
}

/** What the README says in words under headings of these topics. */
function steps(study: Study, topics: readonly Topic[], otherwise: string): readonly string[] {
  const told = study.told.filter(({ section }) => topics.includes(section.topic))
  if (told.length === 0) return otherwise === '' ? [] : [otherwise]
  return [
    told
      .slice(0, 12)
      .map(({ plain, line }) => `- ${inline(clip(plain, 240))} — ${cite(study, line)}`)
      .join('\n'),
  ]
}
