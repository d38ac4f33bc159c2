import type { WrittenDocument } from '../../core/ports.ts'
import { cell, clip, code, inline, listed, table } from './markdown.ts'
import { page } from './page.ts'
import { cite, type Study } from './study.ts'

/** 99_glossary: words the README explains, and the short forms it uses. */
export function glossaryPage(study: Study): WrittenDocument {
  const lead = `A word has one meaning: the one ${code(study.readme.path)} gives it on the line shown.`
  return page(study, '99_glossary', lead, [
    { heading: 'Terms', blocks: terms(study) },
    { heading: 'Abbreviations', blocks: abbreviations(study) },
  ])
}

function terms(study: Study): readonly string[] {
  const { terms } = study.terms
  if (terms.length === 0)
    return [
      `The README of ${inline(study.name)} defines no word: there is no glossary in it, no “term: meaning” and no bold word with an explanation.`,
    ]
  const rows = terms
    .slice(0, 200)
    .map(({ name, says, line }) => [`**${cell(clip(name, 60))}**`, cell(clip(says ?? '', 300)), cite(study, line)])
  return [table(['Term', 'Meaning', 'Source'], rows)]
}

function abbreviations(study: Study): readonly string[] {
  const all = study.terms.abbreviations
  const known = all.filter(({ says }) => says !== null)
  const unknown = all.filter(({ says }) => says === null)
  if (all.length === 0) return ['The README uses none.']
  return [
    known.length === 0
      ? ''
      : table(
          ['Abbreviation', 'Stands for', 'Line'],
          known.map(({ name, says, line }) => [cell(name), cell(says ?? ''), String(line)]),
        ),
    unknown.length === 0
      ? ''
      : `Used without being spelled out: ${listed(
          unknown.map(({ name, line }) => `${inline(name)} (line ${line})`),
          40,
        )}.`,
  ]
}
