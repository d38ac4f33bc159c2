import type { Alias, Document, YAMLError, YAMLMap } from 'yaml'
import { LineCounter, isAlias, isCollection, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml'
import { printable } from './printable.ts'

/** Where something stands: both count from 1. */
export type Spot = { readonly line: number; readonly column: number }

export type YamlProblem = Spot & { readonly message: string; readonly fix: string }

/** YAML as plain data, with the way back from a path in the data to its place in the text. */
export type YamlSource = {
  readonly problems: readonly YamlProblem[]
  /** Absent when the text cannot be turned into data at all; `problems` then says why. */
  readonly value?: unknown
  /** The place of a key, or of the nearest thing around it when it is not there. */
  readonly spotOf: (path: readonly PropertyKey[]) => Spot
}

const deepest = 50
const mostAliases = 10

/** Reads YAML that somebody else wrote. Never throws; aliases cannot make it large, nesting cannot make it deep. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter()
  const document = documentOf(text, lines)
  if (document === null) return { problems: [tooDeep({ line: 1, column: 1 })], spotOf: () => ({ line: 1, column: 1 }) }
  const spotAt = (offset: number): Spot => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const spotOf = (path: readonly PropertyKey[]): Spot => spotAt(offsetOf(document, path))
  const [deep] = document.errors.filter(({ message }) => message.includes('call stack'))
  if (deep) return { problems: [tooDeep(spotAt(deep.pos[0]))], spotOf }
  if (document.errors.length > 0)
    return { problems: document.errors.map((error) => ({ ...spotAt(error.pos[0]), ...explained(error) })), spotOf }
  const found = problemsIn(document, spotAt)
  if (found.isFatal) return { problems: found.problems, spotOf }
  return { ...valueOf(document, found.problems), spotOf }
}

/** Null when the text nests so deeply that the parser runs out of stack. */
function documentOf(text: string, lineCounter: LineCounter): Document.Parsed | null {
  try {
    // Repeated keys are looked for below: the parser compares each key with every other. No directive changes the schema.
    return parseDocument(text, {
      lineCounter,
      schema: 'core',
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'error',
    })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

const tooDeep = (spot: Spot): YamlProblem => ({
  ...spot,
  message: 'The YAML nests too deeply.',
  fix: `Nest at most ${deepest} levels.`,
})

function explained({ code, message }: YAMLError): { message: string; fix: string } {
  if (code === 'TAB_AS_INDENT')
    return { message: 'A tab indents this line, and YAML takes spaces only.', fix: 'Replace the tab by spaces.' }
  if (code === 'MULTIPLE_DOCS')
    return { message: 'A second YAML document starts here.', fix: 'Keep one document: remove the line with ---.' }
  return {
    message: `This is not YAML: ${printable(message, 160)}.`.replace(/\.\.$/, '.'),
    fix: 'Look for a bracket, a quote, a colon or a space that is missing here or on the line before.',
  }
}

/** Fatal: turned into data, the text would not mean what it says. */
type Found = { readonly problems: readonly YamlProblem[]; readonly isFatal: boolean }

/** What the parser lets pass and this product does not: repeated keys, keys that are no words, tags, endless things. */
function problemsIn(document: Document.Parsed, spotAt: (offset: number) => Spot): Found {
  const problems: YamlProblem[] = []
  let isFatal = false
  const add: Add = (node, message, fix) => {
    problems.push({ ...spotAt(startOf(node)), message, fix })
  }
  visit(document, {
    Node: (_, node, path) => {
      if (path.length > deepest * 2) {
        problems.push(tooDeep(spotAt(startOf(node))))
        isFatal = true
        return visit.BREAK
      }
      const before = problems.length
      if (node.tag !== undefined) add(node, `The tag ${shortTag(node.tag)} has no meaning here.`, 'Remove the tag.')
      if (isAlias(node) && path.some((around) => isCollection(around) && around.anchor === node.source))
        add(node, `The alias *${printable(node.source)} refers to the block it stands in.`, 'Write the value out.')
      if (isMap(node)) checkWords(node, add)
      isFatal ||= problems.length > before
      if (isMap(node)) checkRepeats(node, add)
      return undefined
    },
  })
  return { problems, isFatal }
}

type Add = (node: unknown, message: string, fix: string) => void

const shortTag = (tag: string): string => printable(tag.replace(/^tag:yaml\.org,2002:/, '!!'))

function checkWords(map: YAMLMap, add: Add): void {
  for (const { key } of map.items) {
    const name = nameOf(key)
    if (name === null) add(key, 'This key is not a word.', 'Write a plain word before the colon.')
    if (name === '__proto__') add(key, 'The key `__proto__` is not allowed.', 'Rename or remove it.')
  }
}

function checkRepeats(map: YAMLMap, add: Add): void {
  const seen = new Set<string>()
  for (const { key } of map.items) {
    const name = nameOf(key) ?? ''
    if (seen.has(name))
      add(key, `The key \`${printable(name)}\` stands here a second time.`, 'Merge the two, or remove one.')
    seen.add(name)
  }
}

/** A key as it will be called in the data; null when it is none. */
function nameOf(key: unknown): string | null {
  const name = isScalar(key) ? key.value : null
  return typeof name === 'string' || typeof name === 'number' || typeof name === 'boolean' ? String(name) : null
}

const startOf = (node: unknown): number => (node as Alias | null)?.range?.[0] ?? 0

function valueOf(document: Document, problems: readonly YamlProblem[]): Pick<YamlSource, 'problems' | 'value'> {
  try {
    return { problems, value: document.toJS({ maxAliasCount: mostAliases }) as unknown }
  } catch (error) {
    const why = error instanceof ReferenceError ? 'refer to too much or to nothing' : 'cannot be followed'
    const bomb = {
      line: 1,
      column: 1,
      message: `The aliases (*name) in the YAML ${why}.`,
      fix: 'Write the values out.',
    }
    return { problems: [...problems, bomb] }
  }
}

/** Where the key at the end of a path starts. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => nameOf(key) === String(step))
      if (!pair) return offset
      offset = startOf(pair.key)
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = node === undefined ? offset : startOf(node)
    } else return offset
  }
  return offset
}
