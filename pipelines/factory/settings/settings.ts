import type { Document, Node, ParsedNode } from 'yaml'
import { LineCounter, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { z } from 'zod'
import { nearest } from '../../../core/model/nearest.ts'
import type { Finding } from '../../../core/ports.ts'
import { keysAt, settingsShape } from './shape.ts'

/** A repository's quantapilot.yml, complete: what the file leaves out has its default. */
export type Settings = z.output<typeof settingsShape>

export type ParsedSettings =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** Larger files are refused before they are parsed. */
const maxBytes = 64_000

/** Parses a quantapilot.yml; an empty one is all defaults. Every problem in one go, each with its line and what to do. */
export function parseSettings(text: string, path: string): ParsedSettings {
  if (text.length > maxBytes)
    return { ok: false, findings: [problem(path, 1, `The file has over ${maxBytes} characters.`, 'Make it shorter.')] }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, version: '1.2' })
  const place: Place = { path, document, lines }
  if (document.errors.length > 0)
    return { ok: false, findings: document.errors.map((error) => syntaxProblem(place, error)) }
  const value = valueOf(document)
  if (!value.ok)
    return { ok: false, findings: [problem(path, 1, value.message, 'Write the value out instead of referring to it.')] }
  const parsed = settingsShape.safeParse(value.value)
  if (parsed.success) return { ok: true, settings: parsed.data }
  return {
    ok: false,
    findings: parsed.error.issues.flatMap((issue) => issueFindings(place, issue)).toSorted((a, b) => a.line - b.line),
  }
}

type Place = { readonly path: string; readonly document: Document<ParsedNode>; readonly lines: LineCounter }

/** Aliases can make a small file enormous; ten are plenty for settings. */
function valueOf(document: Document<ParsedNode>): { ok: true; value: unknown } | { ok: false; message: string } {
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: 10 }) ?? {} }
  } catch (error) {
    return {
      ok: false,
      message: `The file cannot be expanded: ${error instanceof Error ? error.message : String(error)}.`,
    }
  }
}

function syntaxProblem(
  { path, lines }: Place,
  error: { readonly pos: readonly [number, number]; readonly message: string },
): Finding {
  const { line, col } = lines.linePos(error.pos[0])
  const message = error.message.split(' at line')[0] ?? error.message
  return problem(
    path,
    line,
    `Not YAML at column ${col}: ${message}.`,
    'Mend the syntax; indent with spaces, never with tabs.',
  )
}

function issueFindings(place: Place, issue: z.core.$ZodIssue): Finding[] {
  if (issue.code !== 'unrecognized_keys') {
    const name = issue.path.join('.') || 'the file'
    return [problem(place.path, lineOf(place, issue.path), `${name} ${issue.message}.`, shown(place, issue.path))]
  }
  return issue.keys.map((key) => {
    const meant = nearest(key, keysAt(issue.path.map(String)))
    const line = lineOf(place, [...issue.path, key])
    const under = issue.path.length === 0 ? '' : ` under ${issue.path.join('.')}`
    return problem(
      place.path,
      line,
      `Unknown key \`${key}\`${under}.`,
      meant ? `Did you mean \`${meant}\`?` : 'Remove it.',
    )
  })
}

/** What the file says there, so that nobody has to look it up. */
function shown({ document }: Place, path: readonly PropertyKey[]): string {
  const value: unknown = document.getIn(path, false)
  const text = JSON.stringify(value) as string | undefined
  return text === undefined ? 'Add it, or leave the whole block out.' : `It says ${text.slice(0, 80)}.`
}

/** The line of a key or, where there is none, of the nearest thing around it. */
function lineOf({ document, lines }: Place, path: readonly PropertyKey[]): number {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
      if (!pair) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value as Node | null
    } else if (isSeq(node)) {
      node = (node.items[Number(step)] as Node | undefined) ?? null
      offset = node?.range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

const problem = (path: string, line: number, message: string, fix: string): Finding => ({
  path,
  line,
  rule: 'settings',
  severity: 'error',
  message,
  fix,
})
