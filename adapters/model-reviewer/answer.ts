import { z } from 'zod'
import type { Json } from '../../core/model/json.ts'
import type { Review } from '../../core/workshop.ts'

/** Without bounds, which some providers refuse in a schema: what is too long is cut when it is read. */
const answer = z.object({
  criteria: z.array(
    z.object({ number: z.number(), verdict: z.enum(['met', 'not_met', 'cannot_tell']), why: z.string() }),
  ),
  bugs: z.array(z.object({ title: z.string(), body: z.string(), path: z.string().nullable() })),
})

/** What the answer must look like, for the provider. */
export const answerSchema = z
  .record(z.string(), z.json())
  .parse(z.toJSONSchema(answer, { target: 'draft-7' })) satisfies {
  readonly [key: string]: Json
}

/** As many bugs as one review can have. */
const mostBugs = 5

const most = { why: 300, title: 120, body: 2_000, path: 200 } as const

type Judged = Pick<Review, 'criteria' | 'bugs'>

type Reading =
  | { readonly judged: Judged; readonly errors: readonly [] }
  | { readonly judged: null; readonly errors: Errors }
type Errors = readonly [string, ...string[]]

/** Reads a model's answer about so many criteria. What cannot be read comes as errors that tell a model what to mend. */
export function readAnswer(text: string, count: number): Reading {
  const parsed = answer.safeParse(jsonIn(text))
  if (!parsed.success) return refused(parsed.error.issues.slice(0, 10).map(sayIssue))
  const { criteria, bugs } = parsed.data
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const found = numbers.map((number) => criteria.filter((each) => each.number === number))
  const errors = found.flatMap((each, index) =>
    each.length === 1 ? [] : [`criterion ${index + 1} is judged ${each.length} times and must be judged once`],
  )
  const unknown = criteria.some(({ number }) => !numbers.includes(number))
  if (unknown) errors.push(`there are ${count} criteria, numbered from 1`)
  if (errors.length > 0) return refused(errors)
  return {
    judged: {
      criteria: found
        .flat()
        .map(({ verdict, why }) => ({ verdict, why: lineOf(why, most.why) || 'no reason was given' })),
      bugs: bugs.slice(0, mostBugs).map(({ title, body, path }) => ({
        title: lineOf(title, most.title) || 'a bug without a title',
        body: linesOf(body, most.body),
        path: path === null ? null : lineOf(path, most.path) || null,
      })),
    },
    errors: [],
  }
}

const refused = ([first = 'it cannot be read', ...others]: readonly string[]): Reading => ({
  judged: null,
  errors: [first, ...others],
})

const sayIssue = ({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string => {
  if (path.length === 0) return 'it is no JSON object of the shape that was asked for'
  return message.endsWith('received undefined') ? `${path.join('.')} is missing` : `${path.join('.')}: ${message}`
}

/** The object in an answer, also where a fence or words stand around it; undefined where there is none. */
function jsonIn(text: string): unknown {
  const object = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)
  try {
    return JSON.parse(object)
  } catch {
    return undefined
  }
}

/** One line of plain text; neither the database nor a terminal takes all that JSON can hold. */
const lineOf = (text: string, length: number): string =>
  cut(
    text
      .toWellFormed()
      .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
      .trim(),
    length,
  )

const linesOf = (text: string, length: number): string =>
  cut(
    text
      .toWellFormed()
      .replaceAll(/\r\n?/g, '\n')
      .replaceAll(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
      .trim(),
    length,
  )

const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`
