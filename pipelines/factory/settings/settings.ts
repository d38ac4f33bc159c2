import type { z } from 'zod'
import { nearest } from '../../../core/model/nearest.ts'
import type { Finding } from '../../../core/ports.ts'
import { printable } from '../lint/printable.ts'
import type { Spot, YamlSource } from '../lint/yaml-source.ts'
import { readYaml } from '../lint/yaml-source.ts'
import type { Ceiling, Settings, Shape } from './shape.ts'
import { ceilingShape, knownKeys, settingsShape } from './shape.ts'

export type { Settings } from './shape.ts'

/** The operator's own policy file: its text, which a run keeps, and what it says. */
export type ServerPolicy = { readonly path: string; readonly text: string; readonly ceiling: Ceiling }

type Refused = { readonly ok: false; readonly findings: readonly Finding[] }

export type ParsedSettings = { readonly ok: true; readonly settings: Settings } | Refused

/** Larger files are refused before they are parsed. */
const mostBytes = 64_000

/** Nobody mends more at a time, and the list is shown in a chat. */
const mostFindings = 50

/** A problem without its path, which is the same for all. */
type Problem = Spot & { readonly message: string; readonly fix: string }

/** Parses a quantapilot.yml; an empty one is all defaults. Every problem in one go, each with its line and what to do. Never throws. */
export function parseSettings(text: string, path: string): ParsedSettings {
  const parsed = parseAs(settingsShape, { text, path })
  return parsed.ok ? { ok: true, settings: parsed.value } : parsed
}

/** The same for a file that a run has pinned: keys that were still taken when it began, and never had an effect, are passed over. */
export function parsePinned(text: string, path: string): ParsedSettings {
  const parsed = parseAs(settingsShape, { text, path }, Object.keys(untaken))
  return parsed.ok ? { ok: true, settings: parsed.value } : parsed
}

/** Keys that somebody may expect, and why there are none. */
const untaken: Readonly<Record<string, { readonly why: string; readonly fix: string }>> = {
  env_refs: {
    why: 'nothing that an agent wrote may see a variable of the server',
    fix: 'Remove it; what is no secret belongs under `stack` or into the code.',
  },
}

/** The same for the operator's own policy file, which knows only what can be a limit. */
export function parseCeiling(text: string, path: string): { readonly ok: true; readonly ceiling: Ceiling } | Refused {
  const parsed = parseAs(ceilingShape, { text, path })
  return parsed.ok ? { ok: true, ceiling: parsed.value } : parsed
}

/** Problems as lines for people: `quantapilot.yml:3 what is wrong. What to do.` */
export const sayFindings = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ path, line, message, fix }) => `${path}:${line} ${message} ${fix}`)

type Parsed<T> = { readonly ok: true; readonly value: T } | Refused

type File = { readonly text: string; readonly path: string }

function parseAs<S extends Shape>(
  shape: S,
  { text, path }: File,
  passedOver: readonly string[] = [],
): Parsed<z.output<S>> {
  const size = new TextEncoder().encode(text).length
  if (size > mostBytes) {
    const message = `The file has ${size} bytes, so it was not read`
    return refused(path, [{ line: 1, column: 1, message, fix: `Keep it below ${mostBytes} bytes.` }])
  }
  const yaml = readYaml(text)
  if (!('value' in yaml)) return refused(path, yaml.problems)
  const parsed = shape.safeParse(without(yaml.value ?? {}, passedOver))
  if (parsed.success && yaml.problems.length === 0) return { ok: true, value: parsed.data as z.output<S> }
  return refused(path, [...yaml.problems, ...problemsIn(yaml, parsed.error?.issues ?? [], shape)])
}

function without(value: unknown, names: readonly string[]): unknown {
  if (names.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))
}

function refused(path: string, problems: readonly Problem[]): Refused {
  const shown = problems
    .slice(0, mostFindings)
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, message, fix }) => finding(path, line, `${withoutStop(message)} (column ${column}).`, fix))
  const left = problems.length - mostFindings
  const last = shown.at(-1)?.line ?? 1
  const more = left > 0 ? [finding(path, last, `The file has ${left} more problems.`, 'Mend these first.')] : []
  return { ok: false, findings: [...shown, ...more] }
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '')

const finding = (path: string, line: number, message: string, fix: string): Finding => ({
  path,
  line,
  rule: 'settings',
  severity: 'error',
  message,
  fix,
})

type Issue = z.core.$ZodIssue

/** At most as many as are shown and one more for each issue left, because each costs a search for its line. */
function problemsIn(yaml: YamlSource, issues: readonly Issue[], shape: Shape): Problem[] {
  const keysAt = knownKeys(shape)
  const places = firstOfEach(issues).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => () => unknownKey(yaml, issue.path, key, keysAt(issue.path)))
      : [() => wrongValue(yaml, issue)],
  )
  const nowhere = { line: 1, column: 1, message: '', fix: '' }
  return places.map((problem, index) => (index < mostFindings ? problem() : nowhere))
}

/** A value that breaks two rules is mended once. */
function firstOfEach(issues: readonly Issue[]): Issue[] {
  const seen = new Set<string>()
  return issues.filter(({ code, path }) => {
    const place = JSON.stringify([code === 'unrecognized_keys', ...path.map(String)])
    const isFirst = !seen.has(place)
    seen.add(place)
    return isFirst
  })
}

function unknownKey(yaml: YamlSource, path: readonly PropertyKey[], key: string, known: readonly string[]): Problem {
  const spot = yaml.spotOf([...path, key])
  const none = path.length === 0 && Object.hasOwn(untaken, key) ? untaken[key] : undefined
  if (none) return { ...spot, message: `The key \`${key}\` is not taken: ${none.why}`, fix: none.fix }
  const meant = nearest(key, known)
  const where = path.length === 0 ? '' : ` under \`${nameOf(path)}\``
  const message = `Unknown key \`${printable(key)}\`${where}`
  return meant
    ? { ...spot, message, fix: `Did you mean \`${meant}\`? Rename it, or remove it.` }
    : { ...spot, message, fix: `Remove it; the keys are ${known.join(', ')}.` }
}

function wrongValue(yaml: YamlSource, issue: Issue): Problem {
  const spot = yaml.spotOf(issue.path)
  const name = issue.path.length === 0 ? 'The file' : nameOf(issue.path)
  if (issue.code === 'invalid_key') {
    const rule = issue.issues[0]?.message ?? 'must be a word'
    return { ...spot, message: `The key ${name} ${rule}`, fix: 'Rename it.' }
  }
  const found = valueAt(yaml.value, issue.path)
  if (found === undefined)
    return {
      ...spot,
      message: `${name} is missing: it ${issue.message}`,
      fix: 'Add it, or remove the block it belongs to.',
    }
  if (found === null)
    return { ...spot, message: `${name} has no value: it ${issue.message}`, fix: 'Write one, or remove the key.' }
  const options = issue.code === 'invalid_value' ? issue.values.map(String) : []
  const meant = typeof found === 'string' ? nearest(found, options) : null
  return {
    ...spot,
    message: `${name} ${issue.message}; it is ${shown(found)}`,
    fix: meant ? `Write ${meant}.` : fixOf(issue.path),
  }
}

function fixOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'Write keys such as budgets: at the start of a line.'
  return typeof path.at(-1) === 'number' ? 'Correct it, or remove the entry.' : 'Correct it, or remove the key.'
}

/** `policies.allow_paths[0]`, as in most languages. */
const nameOf = (path: readonly PropertyKey[]): string =>
  path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${printable(String(part))}`,
    )
    .join('')

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value
  for (const part of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = (found as Readonly<Record<PropertyKey, unknown>>)[part]
  }
  return found
}

/** What the file says, so that nobody has to look it up. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' ? `"${printable(value)}"` : 'a block of keys'
}
