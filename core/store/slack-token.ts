import { z } from 'zod'
import { assert } from '../model/problem.ts'
import type { Registry } from './people.ts'
import { statement } from './statement.ts'
import { uuidv7 } from './uuid.ts'

/** Which app, and the refresh token that its operator configured. */
export type SlackApp = { readonly clientId: string; readonly firstRefreshToken: string }

type Pair = { readonly accessToken: string; readonly refreshToken: string }

const Pair = z.object({ accessToken: z.string(), refreshToken: z.string() })

/**
 * The tokens of a Slack app, sealed. `read` tells how they stand; `take` gives the right to rotate that version to one
 * process at a time, null to the others. A configured refresh token that made a pair once is never used again.
 */
export function slackTokens({ db, people }: Registry, { clientId: app, firstRefreshToken }: SlackApp) {
  const open = async (subject: string, sealed: Uint8Array): Promise<Pair> => {
    const text = await people.openToken(subject, sealed)
    assert(text !== null, 'the key of the Slack token was destroyed')
    return Pair.parse(JSON.parse(text))
  }
  return {
    read: async () => {
      const [row] = await db.run(findToken, { app, first: await people.tokenLookup(firstRefreshToken) })
      if (!row) return { version: 0, accessToken: null, refreshInMs: 0, endsInMs: 0, failure: null }
      const { subjectId, sealed, isBegun, ...rest } = row
      return { ...rest, accessToken: sealed && isBegun ? (await open(subjectId, sealed)).accessToken : null }
    },
    take: async (version: number, forMs: number) => {
      const first = await people.tokenLookup(firstRefreshToken)
      const [taken] = await db.run(takeToken, { app, subject: uuidv7(), first, version, forMs })
      if (!taken) return null
      const { subjectId, sealed, isBegun } = taken
      return {
        refreshToken: sealed && isBegun ? (await open(subjectId, sealed)).refreshToken : firstRefreshToken,
        keep: async (pair: Pair, livesMs: number) => {
          const bytes = await people.sealToken(subjectId, JSON.stringify(pair))
          await db.run(keepToken, { app, version, first, sealed: bytes, livesMs })
        },
        fail: async (failure: string, waitMs: number) =>
          void (await db.run(failToken, { app, version, failure, waitMs })),
      }
    },
  }
}

const bytes = z.instanceof(Buffer)

const findToken = statement({
  name: 'find_slack_token',
  params: ['app', 'first'],
  row: z.object({
    subjectId: z.string(),
    version: z.number(),
    sealed: bytes.nullable(),
    isBegun: z.boolean(),
    refreshInMs: z.number(),
    endsInMs: z.number(),
    failure: z.string().nullable(),
  }),
  sql: `
    select t.subject_id, t.version, t.sealed, :first::bytea = any(t.firsts) as is_begun,
      coalesce(extract(epoch from t.refresh_at - app.clock_now()) * 1000, 0)::float8 as refresh_in_ms,
      coalesce(extract(epoch from t.expires_at - app.clock_now()) * 1000, 0)::float8 as ends_in_ms, t.failure
    from pii.slack_tokens t where t.app = :app::text`,
})

/** Takes the row for a while if nobody has it and it is still at that version; no row otherwise. */
const takeToken = statement({
  name: 'take_slack_token',
  params: ['app', 'subject', 'first', 'version', 'forMs'],
  row: z.object({ subjectId: z.string(), sealed: bytes.nullable(), isBegun: z.boolean() }),
  sql: `
    insert into pii.slack_tokens as t (app, subject_id, taken_until)
    values (:app::text, :subject::uuid, app.clock_now() + :forMs::float8 * interval '1 millisecond')
    on conflict (app) do update set taken_until = excluded.taken_until
    where t.version = :version::integer and t.taken_until <= app.clock_now()
    returning t.subject_id, t.sealed, :first::bytea = any(t.firsts) as is_begun`,
})

/** Writes the next pair and gives the row back; nothing where somebody else wrote one meanwhile. Half its life on it is due. */
const keepToken = statement({
  name: 'keep_slack_token',
  params: ['app', 'version', 'first', 'sealed', 'livesMs'],
  row: z.object({}),
  sql: `
    update pii.slack_tokens t set version = t.version + 1, sealed = :sealed::bytea, failure = null,
      firsts = case when :first::bytea = any(t.firsts) then t.firsts else t.firsts || :first::bytea end,
      refresh_at = app.clock_now() + :livesMs::float8 / 2 * interval '1 millisecond',
      expires_at = app.clock_now() + :livesMs::float8 * interval '1 millisecond', taken_until = '-infinity'
    where t.app = :app::text and t.version = :version::integer`,
})

/** Keeps why a rotation failed, and holds everybody off for a while. */
const failToken = statement({
  name: 'fail_slack_token',
  params: ['app', 'version', 'failure', 'waitMs'],
  row: z.object({}),
  sql: `
    update pii.slack_tokens t set failure = :failure::text,
      taken_until = app.clock_now() + :waitMs::float8 * interval '1 millisecond'
    where t.app = :app::text and t.version = :version::integer`,
})

/** How many apps' tokens could not be rotated the last time. */
export const countFailedSlackTokens = statement({
  name: 'count_failed_slack_tokens',
  params: [],
  row: z.object({ failed: z.number() }),
  sql: `select count(*)::integer as failed from pii.slack_tokens t where t.failure is not null`,
})
