import { audienceOf } from './audience.ts'
import { commandsOf, flagsIn, optionsIn, saidOf } from './commands.ts'
import { headOf, type Named } from './naming.ts'
import { asideTopics, type CodeBlock, type Readme, type Section, type Table } from './readme.ts'
import type { Passage } from './statements.ts'
import { externalNames, roleNames, sameNames, storeNames } from './names.ts'

export type Endpoint = Named & { readonly method: string; readonly target: string }

/** What the README says, sorted by what the pages need. Every entry has its line. */
export type Facts = {
  /** The first sentences that say what this is. */
  readonly purpose: readonly Passage[]
  readonly roles: readonly Named[]
  readonly endpoints: readonly Endpoint[]
  /** How it is called at a prompt: `tally count <file>`. */
  readonly commands: readonly Named[]
  /** Command-line options: `--force`. */
  readonly options: readonly Named[]
  /** Configuration variables: `DATABASE_URL`. */
  readonly variables: readonly Named[]
  readonly stores: readonly Named[]
  readonly externals: readonly Named[]
  /** Code blocks for a shell, and all others. */
  readonly shell: readonly CodeBlock[]
  readonly samples: readonly CodeBlock[]
}

export function factsOf(readme: Readme, passages: readonly Passage[], name: string): Facts {
  const purpose = purposeOf(passages)
  const [shell, samples] = splitCode(readme.code)
  const commands = distinct(commandsOf(readme, passages, name)).toSorted(byLine)
  const told = passages.filter(({ section }) => !asideTopics.includes(section.topic))
  return {
    purpose,
    roles: rolesOf(readme, told, name),
    endpoints: endpointsOf(readme),
    commands,
    options: optionsOf(readme, passages, commands),
    variables: variablesOf(readme),
    stores: namesIn(told, storeNames),
    externals: namesIn(
      told.filter((passage) => purpose.includes(passage) || isAboutSystem(passage)),
      externalNames,
    ),
    shell,
    samples,
  }
}

const systemTopics: readonly Section['topic'][] = ['architecture', 'interfaces', 'configuration', 'data', 'security']

/** "Join us on Discord" names no system that the product talks to; a requirement that names Discord does. */
function isAboutSystem(passage: Passage): boolean {
  return systemTopics.includes(passage.section.topic) || passage.kind !== null
}

function purposeOf(passages: readonly Passage[]): readonly Passage[] {
  const prose = passages.filter(({ unit, wordy, visible }) => unit.kind === 'prose' && wordy && isSentence(visible))
  const opening = prose.filter(({ section }) => section.depth <= 1)
  const about = prose.filter(({ section }) => section.topic === 'purpose')
  const chosen = opening.length > 0 ? opening : about.length > 0 ? about : prose
  const [lead, ...others] = [...new Set(chosen.map(({ unit }) => unit))]
  const next = others.find(({ linkFree }) => wordsIn(linkFree) >= 8)
  const units = lead !== undefined && wordsIn(lead.visible) < 12 ? [lead, next] : [lead]
  return units.flatMap((unit) => chosen.filter((each) => each.unit === unit).slice(0, 4))
}

function wordsIn(visible: string): number {
  return visible.match(/[\p{L}\p{N}'’-]+/gu)?.length ?? 0
}

function isSentence(visible: string): boolean {
  const dense = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]{5}/u.test(visible)
  const words = wordsIn(visible)
  return dense || words >= 4 || (words >= 2 && /[.!][\s*_]*$/u.test(visible))
}

/** Roles from a table or a list about users, else whom it is for and the role words the README uses, at their first mention. */
function rolesOf(readme: Readme, told: readonly Passage[], product: string): readonly Named[] {
  const tables = readme.tables
    .filter(isRoleTable)
    .flatMap((table) =>
      table.rows.map(({ cells, line }) => ({ name: cells[0] ?? '', line, says: cells.slice(1).join('; ') || null })),
    )
  const items = told
    .filter(({ unit, section }) => unit.kind === 'item' && unit.depth === 1 && section.topic === 'users')
    .map((item) => ({ ...headOf(item.plain), line: item.line }))
  const listed = [...tables, ...items].filter(({ name }) => name !== '' && name.length <= 60)
  if (listed.length > 0) return distinct(listed)
  return distinct([...audienceOf(readme, told, product), ...roleMentions(told)].toSorted(byLine))
}

function isRoleTable({ header, section }: Table): boolean {
  return (
    /^(?:roles?|users?|who|actors?|personas?|роль|роли|кто|rolle|rôle|rol|角色)$/iu.test(header.cells[0] ?? '') ||
    section.topic === 'users'
  )
}

function roleMentions(told: readonly Passage[]): readonly Named[] {
  // Most roles are nowhere, which one look at a long text finds out sooner than thousands at short ones.
  const all = told.map(({ visible }) => visible).join('\n')
  const found = roleNames.flatMap(([name, words]) => {
    const first = words.test(all) ? told.find(({ visible }) => words.test(visible)) : undefined
    return first === undefined ? [] : [{ name, line: first.line, says: first.plain }]
  })
  return distinct(found.toSorted(byLine)).slice(0, 8)
}

const method = '(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)'

function endpointsOf(readme: Readme): readonly Endpoint[] {
  const found: Endpoint[] = []
  const add = (line: number, says: string | null, match: RegExpExecArray | null) => {
    const [, verb, target] = match ?? []
    if (verb !== undefined && target !== undefined)
      found.push({ name: `${verb} ${target}`, method: verb, target, line, says })
  }
  for (const table of readme.tables) {
    for (const { cells, line } of table.rows) {
      const row = cells.join(' ').replaceAll('`', '')
      const match = new RegExp(`\\b${method}\\b\\s+(/[^\\s|]*)`).exec(row)
      add(line, match === null ? null : cells.at(-1)?.includes(match[2] ?? '') ? null : (cells.at(-1) ?? null), match)
    }
  }
  for (const { text, line } of readme.names) add(line, null, new RegExp(`^${method}\\s+(/\\S*)`).exec(text))
  for (const block of readme.code) {
    block.text.split('\n').forEach((row, index) => {
      add(block.line + index + 1, null, new RegExp(`^\\s*${method}\\s+(/\\S*)`).exec(row))
    })
  }
  return distinct(found).toSorted((a, b) => a.line - b.line)
}

/** Options of tables, of inline code and of commands; each once, with its value where the README shows one. */
function optionsOf(readme: Readme, passages: readonly Passage[], commands: readonly Named[]): readonly Named[] {
  const rows = distinct(tableNames(readme, /^`?(-{1,2}[a-zA-Z][\w-]*)/))
  const named = readme.names
    .filter(({ text }) => /^-{1,2}[a-zA-Z][\w-]*(?:[ =,].*)?$/.test(text))
    .map((each) => ({ name: each.text, line: each.line, says: saidOf(each, passages) }))
  const valued = [...named, ...optionsIn(commands)].toSorted(
    (a, b) => Number(/[ =]/.test(b.name)) - Number(/[ =]/.test(a.name)),
  )
  const seen = new Set(rows.flatMap(({ name }) => flagsIn(name)))
  const others = valued.filter(({ name }) => {
    const flags = flagsIn(name)
    const known = flags.every((flag) => seen.has(flag))
    for (const flag of flags) seen.add(flag)
    return !known
  })
  return [...rows, ...others].toSorted(byLine)
}

function variablesOf(readme: Readme): readonly Named[] {
  const variable = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/
  const rows = tableNames(readme, /^`?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`?$/)
  const named = readme.names
    .filter(({ text }) => variable.test(text))
    .map(({ text, line }) => ({ name: text, line, says: null }))
  const assigned = readme.code.flatMap((block) =>
    block.text.split('\n').flatMap((row, index) => {
      const name = /^\s*(?:export\s+|set\s+)?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)=/.exec(row)?.[1]
      return name === undefined ? [] : [{ name, line: block.line + index + 1, says: null }]
    }),
  )
  return distinct([...rows, ...named, ...assigned]).toSorted(byLine)
}

function tableNames(readme: Readme, first: RegExp): readonly Named[] {
  return readme.tables.flatMap(({ rows }) =>
    rows.flatMap(({ cells, line }) => {
      const name = first.test(cells[0] ?? '') ? (cells[0] ?? '').replaceAll('`', '') : undefined
      return name === undefined ? [] : [{ name, line, says: cells.slice(1).filter(Boolean).join(' · ') || null }]
    }),
  )
}

function namesIn(told: readonly Passage[], names: RegExp): readonly Named[] {
  return distinct(
    told.flatMap(({ plain, line }) =>
      [...plain.matchAll(names)].map(([name]) => ({ name: sameNames[name.toLowerCase()] ?? name, line, says: plain })),
    ),
  ).slice(0, 16)
}

/** The first of each name, whatever its case. */
export function distinct<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  const seen = new Set<string>()
  return items.filter(({ name }) => {
    const key = name.toLowerCase()
    return seen.has(key) ? false : seen.add(key)
  })
}

function byLine(a: Named, b: Named): number {
  return a.line - b.line
}

function splitCode(blocks: readonly CodeBlock[]): readonly [readonly CodeBlock[], readonly CodeBlock[]] {
  const shell = blocks.filter(isShell)
  return [shell, blocks.filter((block) => !shell.includes(block) && block.text.trim() !== '')]
}

function isShell({ language, text }: CodeBlock): boolean {
  if (/^(?:sh|bash|shell|zsh|console|terminal|shell-session|shellsession|powershell|ps1|cmd|bat|fish)$/.test(language))
    return true
  const commands =
    /^\s*(?:\$ |(?:sudo |npx |npm |pnpm |yarn |pip3? |docker |git |curl |make |cargo |go |brew |apt(?:-get)? |deno |bun )\S)/
  return language === '' && text.trim() !== '' && commands.test(text)
}
