import { counted } from '../../core/model/counted.ts'
import { clip, listed } from './markdown.ts'
import { type Material, vagueWordIn } from './questions.ts'
import type { Statement } from './statements.ts'
import { addressesAgent } from './words.ts'

export type Risk = { readonly text: string; readonly quote: string | null; readonly line: number | null }

/** What in the README may hurt: text that speaks to an agent first, then contradictions, vagueness and what it depends on. */
export function risksOf(material: Material): readonly Risk[] {
  return [
    ...addressed(material),
    ...fewest(contradictions(material.statements), 5),
    ...vagueness(material),
    ...dependence(material),
  ]
}

/** The first of many risks of one kind, and how many more there are. */
function fewest(risks: readonly Risk[], most: number): readonly Risk[] {
  if (risks.length <= most) return risks
  const rest = { text: `${risks.length - most} more pairs of requirements differ only so`, quote: null, line: null }
  return [...risks.slice(0, most), rest]
}

/** HTML comments count too: a person does not see them, an agent does. */
function addressed({ readme }: Material): readonly Risk[] {
  const text = 'The README contains text addressed to an agent. It is quoted as data and was not obeyed'
  return readme.text.split(/\r\n?|\n/).flatMap((row, index) => {
    const hit = addressesAgent.find((pattern) => pattern.test(row.slice(0, 5_000)))
    return hit === undefined ? [] : [{ text, quote: clip(row, 160), line: index + 1 }]
  })
}

const negation =
  /(?<![\p{L}\p{N}])(?:not|never|no|не|никогда|нельзя|nicht|kein\p{L}*|nie|ne|pas|jamais|nunca|non)(?![\p{L}\p{N}])/giu

/** Two statements that differ only in a negation or only in a number. */
function contradictions(statements: readonly Statement[]): readonly Risk[] {
  const seen = new Map<string, Statement>()
  return statements.flatMap((statement) => {
    const key = normal(statement.plain.replace(negation, ' ').replace(/\d[\d.,]*/g, '#'))
    const earlier = seen.get(key)
    if (earlier === undefined) seen.set(key, statement)
    if (earlier === undefined || normal(earlier.plain) === normal(statement.plain) || key.length < 12) return []
    const text = `${earlier.id} (line ${earlier.line}) and ${statement.id} differ only in a number or a “not”: they may contradict each other`
    return [{ text, quote: clip(statement.plain, 160), line: statement.line }]
  })
}

function normal(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}#]+/gu, ' ')
    .trim()
}

function vagueness({ statements }: Material): readonly Risk[] {
  const wanted = statements.filter(({ kind }) => kind !== 'non-goal')
  const vague = wanted.filter(({ plain }) => vagueWordIn(plain) !== null)
  const [first] = vague
  if (first === undefined) return []
  const text = `${vague.length} of ${counted(wanted.length, 'requirement')} ${vague.length === 1 ? 'has' : 'have'} a word that no test can judge (${listed(
    vague.map(({ id }) => id),
    4,
  )})`
  return [{ text, quote: null, line: first.line }]
}

function dependence({ facts }: Material): readonly Risk[] {
  return facts.externals.slice(0, 5).map(({ name, line }) => ({
    text: `Depends on ${name}, which this project does not control`,
    quote: null,
    line,
  }))
}
