import { roleNames } from './names.ts'
import type { Readme } from './readme.ts'
import type { Passage } from './statements.ts'

type Audience = { readonly name: string; readonly line: number; readonly says: string }

const made = '(?:built|made|designed|intended|meant|written|created|developed|aimed)'
const product = `it(?=['’\\s])|this|(?:this|the|our)\\s+(?:\\p{L}+\\s)?(?:tool|app|application|program|product|project|service|library|package|site|website|bot|script|command|game|plugin|extension|platform|system)`
const kindly = '(?:(?:mainly|mostly|chiefly|primarily|especially|just|only)\\s)?'
const rest = "(\\p{L}[\\p{L}\\p{N} ,’'-]{1,80})"

/** People by the form of the word; a word that is not known is not taken for people. */
const people =
  /(?<![\p{L}-])(?:people|persons|anyone|anybody|everyone|everybody|someone|somebody|teams|families|humans|men|women|children|kids|parents|students|pupils|nurses|clerks|friends|companies|businesses|schools|clubs|shops|offices|staff|assistants|accountants|merchants|participants|\p{L}{2,}(?:ers|ors|ists|ians|ees))$/iu

/** Things with an ending of people. */
const things =
  /(?:servers|browsers|computers|containers|controllers|drivers|compilers|routers|clusters|numbers|papers|printers|errors|monitors|processors|sensors|vectors|orders|folders|letters|headers|footers|parameters|filters|loggers|scanners|speakers|trackers|layers|offers|markers|characters|colors|mirrors|doors|floors|editors|handlers|workers|pointers|registers|timers|counters|adapters|parsers|linters|bundlers|trees|fees|degrees|committees|lists|playlists|checklists|behaviors|operators|selectors|iterators|generators|emulators|simulators|calculators|summers|winters|posters|newsletters|chapters|covers|stickers|transfers|wrappers|helpers|loaders|screen readers|others)$/iu

/**
 * People that a sentence says the product is for: "It is for translators who …", "For translators who …", "Built for
 * translators". Other words after "for" are none: "for free", "for now", "built for speed".
 */
export function audienceOf(readme: Readme, told: readonly Passage[], name: string): readonly Audience[] {
  const title = readme.sections.find(({ depth }) => depth === 1)?.title ?? ''
  const names = [name, title].filter(Boolean).map((each) => each.slice(0, 80).replace(/[^\p{L}\p{N}]/gu, '.'))
  const subject = `(?:${[product, ...names, '`[^`]{1,40}`'].join('|')})`
  const sentences = [
    new RegExp(`^${subject}\\s?(?:is|['’]s)\\s${kindly}(?:${made}\\s)?${kindly}(?:for|at)\\s${rest}`, 'iu'),
    new RegExp(`^${made}\\s${kindly}(?:for|at)\\s${rest}`, 'iu'),
  ]
  const opening = new RegExp(`^for\\s${rest}`, 'iu')
  return told.flatMap(({ plain, line, section, kind }) => {
    if (kind === 'non-goal') return []
    const said = sentences.map((each) => each.exec(plain)?.[1]).find((each) => each !== undefined)
    const opens = section.depth <= 1 || aboutPeople.includes(section.topic)
    const words = said ?? (opens && !isInstruction(plain) ? opening.exec(plain)?.[1] : undefined)
    const found = words === undefined ? null : peopleIn(words, said !== undefined)
    return found === null || isKnown(found) ? [] : [{ name: found, line, says: plain }]
  })
}

const aboutPeople: readonly Passage['section']['topic'][] = ['purpose', 'users']

/** "For translators who need it, see …" is about what follows. */
function isInstruction(plain: string): boolean {
  return /^for\s[^,]*,\s(?:please|see|use|run|read|check|try|install|there|you|it|we|the|this)(?!\p{L})/iu.test(plain)
}

/** The words for roles find these by themselves. */
function isKnown(found: string): boolean {
  return roleNames.some(([, words]) => words.test(found))
}

/** The people that the words begin with: those "who" do something, and without "who" those that are known for people. */
function peopleIn(words: string, said: boolean): string | null {
  const match = /^(.+?)(?:,?\s(who(?:se)?)\s.*|,.*|\s(?:and|or|in|at|of|with|that|on|to|from|by)\s.*|$)/u.exec(words)
  const noun = match?.[1]?.trim() ?? ''
  if (noun.split(/\s/).length > 4 || noPeople.test(noun)) return null
  // "anyone who writes a lot": the word alone would say nothing.
  if (match?.[2] !== undefined)
    return anybody.test(noun) ? (/^[^,]{1,60}(?=[,\s]|$)/u.exec(words)?.[0].trim() ?? null) : noun
  return said && people.test(noun) && !things.test(noun) ? noun : null
}

const noPeople = /^(?:you|us|me|now|free|example|instance|use|all|him|her|them)$/iu
const anybody = /^(?:those|people|anyone|anybody|everyone|everybody|someone|somebody)$/iu
