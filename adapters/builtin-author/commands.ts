import { headOf, type Named } from './naming.ts'
import { asideTopics, type CodeName, type Readme, type Section, type Table } from './readme.ts'
import type { Passage } from './statements.ts'

/** Sections that speak of what the product is not, not yet or not by itself. */
const elsewhere: readonly Section['topic'][] = [...asideTopics, 'questions', 'roadmap']

const tools =
  /^(?:git|docker|node|npm|npx|pnpm|yarn|bun|deno|python3?|pip3?|pipx|curl|wget|make|cmake|cargo|go|brew|sudo|apt|apt-get|bash|sh|cd|typescript|eslint|prettier|vite|jest|vitest|pytest|postgresql|sqlite|redis|ffmpeg|java|ruby|php)$/

const installing =
  /(?:npm (?:i|install|add)|pnpm (?:i|install|add)|yarn (?:global )?add|bun (?:add|install)|pip3? install|pipx install|uv tool install|cargo install|gem install|go install|brew install|apt(?:-get)? install|npx)((?: +-{1,2}[\w-]+)*) +([@\w./-]+)/g

/** What the product is called at a prompt: by its name, its title and what one installs. */
function calledBy(readme: Readme, name: string): ReadonlySet<string> {
  const title = readme.sections.find(({ depth }) => depth === 1)?.title ?? ''
  const plain = [name, title, headOf(title).name].map((each) => each.replaceAll('`', '').trim().toLowerCase())
  const texts = [...readme.code, ...readme.names].map(({ text }) => text)
  const installed = texts.flatMap((text) => [...text.matchAll(installing)].map(([, , what]) => binaryOf(what ?? '')))
  const words = [...plain.map((each) => each.replace(/\s+/g, '-')), ...installed]
  return new Set(words.filter((word) => /^[a-z][\w-]*$/.test(word) && !tools.test(word)))
}

/** `tally` of `@words/tally@2`, `example.org/words/tally` and `tally`. */
function binaryOf(what: string): string {
  return what.replace(/(?<=.)@.*$/, '').replace(/^.*\//, '')
}

/** Commands in inline code, in headings and in tables that begin with what the product is called by: `tally count <file>`. */
export function commandsOf(readme: Readme, passages: readonly Passage[], name: string): readonly Named[] {
  const called = calledBy(readme, name)
  const isCommand = (text: string) => {
    const match = /^(?:\$ |npx |\.\/)?([\w-]+) +(?!v?\d[\d.]*$)\S/.exec(text)
    return match !== null && called.has(match[1] ?? '')
  }
  const cells = readme.tables
    .filter(({ section }) => !elsewhere.includes(section.topic))
    .flatMap((table) => inFirstCells(table, isCommand))
  const headings = readme.sections.flatMap((section) => {
    const text = /^`([^`]+)`$/.exec(section.title)?.[1] ?? ''
    if (!isCommand(text)) return []
    const first = passages.find((passage) => passage.section === section && passage.unit.kind === 'prose')
    return [{ name: text, line: section.line, says: first?.plain ?? null }]
  })
  const named = readme.names
    .filter(({ text, section }) => isCommand(text) && !elsewhere.includes(section.topic))
    .map((each) => ({ name: each.text.trim(), line: each.line, says: saidOf(each, passages) }))
  return [...cells, ...headings, ...named]
}

function inFirstCells({ rows }: Table, isCommand: (text: string) => boolean): readonly Named[] {
  return rows.flatMap(({ cells, line }) => {
    const text = /^`([^`]+)`$/.exec(cells[0] ?? '')?.[1] ?? ''
    return isCommand(text) ? [{ name: text, line, says: cells.slice(1).filter(Boolean).join(' · ') || null }] : []
  })
}

/** What the sentence or list item around a name says of it: without the name when it begins with it. */
export function saidOf({ text, start }: CodeName, passages: readonly Passage[]): string | null {
  const passage = passages.find((each) => each.start <= start && start < each.end)
  if (passage === undefined || passage.unit.kind === 'cell') return null
  const shown = `\`${text}\``
  const { plain } = passage
  const rest = plain.startsWith(shown)
    ? plain.slice(shown.length).replace(/^\s*(?:[:：,]|[–—-]{1,2}(?=\s))?\s*/u, '')
    : plain
  return /\p{L}/u.test(rest) ? rest : null
}

/**
 * Options that commands are shown with. What follows one is its value when it is joined to it or in its brackets, or is one
 * thing that no command takes by itself: in `tally count --total <files>` the files belong to `count <file>`.
 */
export function optionsIn(commands: readonly Named[]): readonly Named[] {
  const alone = new Set(
    commands.flatMap(({ name }) => [...(/^[^-[]*/.exec(name)?.[0] ?? '').matchAll(place)].map(stem)),
  )
  return commands.flatMap(({ name, line, says }) =>
    [...name.matchAll(/(?<=[\s[(|])(-{1,2}[a-zA-Z][\w-]*)(?:([ =])(<[^<>]+>))?(?=(\s*[\])]|\s+<)?)/g)].map((match) => {
      const [, option = '', joint = '', value, after] = match
      const one = value === undefined ? undefined : stem([value, value.slice(1, -1)])
      const own =
        joint === '=' || after !== undefined || (one !== undefined && !alone.has(one) && !isSeveral(value ?? ''))
      return { name: value !== undefined && own ? `${option}${joint}${value}` : option, line, says }
    }),
  )
}

const place = /<([^<>]+)>/g

function stem([, word]: readonly (string | undefined)[]): string {
  return (word ?? '').toLowerCase().replace(/\W*$/, '').replace(/s$/, '')
}

function isSeveral(value: string): boolean {
  return /(?:s|\.\.\.|…)>$/.test(value)
}

/** The flag without its value and other spellings. */
export function flagsIn(name: string): readonly string[] {
  return name.match(/(?<![\w-])-{1,2}[a-zA-Z][\w-]*/g) ?? []
}
