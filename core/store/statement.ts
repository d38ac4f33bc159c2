import type { z } from 'zod'

/** What a parameter may be; objects and arrays go to the server as JSON when cast to jsonb, arrays else as SQL arrays. */
export type Parameter =
  | string
  | number
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly unknown[]
  | { readonly [key: string]: unknown }

/** A named, hand-written statement: its text, its parameters by name, and the shape of its rows in camel case. */
export type Statement<Name extends string, Row> = {
  readonly name: string
  /** As the server gets it: `$1`, `$2`, … */
  readonly text: string
  readonly parameters: readonly { readonly name: Name; readonly type: string }[]
  readonly row: z.ZodType<Row>
}

/** Every statement of the program, as its modules are loaded: what the contract test asks Postgres about. */
export const declared: Statement<string, unknown>[] = []

/**
 * Declares a statement. Each parameter is written `:name::type` in the text, so that both reader and server know its
 * type. Throws at import when a text has none of the form it claims.
 */
export function statement<Row, const Name extends string = string>(draft: {
  readonly name: string
  readonly sql: string
  readonly params: readonly Name[]
  readonly row: z.ZodType<Row>
}): Statement<Name, Row> {
  const types = new Map<string, string>()
  const text = draft.sql.replaceAll(placeholder, (_, name: string, type: string) => {
    if (!types.has(name)) types.set(name, type)
    return `$${[...types.keys()].indexOf(name) + 1}::${type}`
  })
  const stray = [...types.keys()].find((name) => !draft.params.some((param) => param === name))
  if (stray !== undefined || types.size !== draft.params.length) {
    throw new Error(
      `statement ${draft.name} declares ${draft.params.join(', ')} and uses ${[...types.keys()].join(', ')}`,
    )
  }
  const parameters = [...types].map(([name, type]) => ({ name: name as Name, type }))
  const made = { name: draft.name, text, parameters, row: draft.row }
  declared.push(made)
  return made
}

/** `:name::type` that is not part of a `::cast`. */
const placeholder = /(?<!:):([a-zA-Z]\w*)::([a-z_0-9]+(?:\[\])?)/g

/**
 * The values in the server's order. What Postgres cannot hold is not sent: NUL characters are dropped, and half of a letter
 * of two UTF-16 units, as a cut leaves it, becomes U+FFFD, which is what the driver makes of it outside JSON.
 */
export function valuesOf<Name extends string>(
  statement: Statement<Name, unknown>,
  params: Readonly<Record<Name, Parameter>>,
): unknown[] {
  return statement.parameters.map(({ name, type }) => {
    const value = params[name]
    if (value === null) return null
    if (type === 'jsonb' || type === 'json') return storable(JSON.stringify(value))
    return typeof value === 'string' ? value.replaceAll('\0', '') : value
  })
}

/** Of a whole letter JSON.stringify escapes neither half. */
const storable = (json: string): string =>
  json.includes('\\u0000') || json.includes('\\ud')
    ? json.replaceAll(unstorable, (_, before: string, code: string) => (code === '0000' ? before : `${before}\ufffd`))
    : json

/** An escape whose backslash is not itself escaped. */
const unstorable = /(?<!\\)((?:\\\\)*)\\u(0000|d[89a-f][0-9a-f]{2})/g

/** `finished_at` → `finishedAt`. */
export const camel = (column: string): string =>
  column.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
