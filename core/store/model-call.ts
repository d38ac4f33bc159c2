import { z } from 'zod'
import type { AskedBefore, ModelCall } from '../ports.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

/** A call of a run's step, under the id of the money that was set aside for it. */
export type CallRecord = {
  readonly run: string
  readonly id: string
  readonly step: string
  readonly call: ModelCall
  readonly texts: readonly KeptText[]
}

/** A text as it is kept, under the digest of what it was. */
export type KeptText = { readonly sha256: string; readonly text: string; readonly isRedacted: boolean }

/**
 * Keeps what calls were, each once, for runs that are there. The commit does not wait for the disk: what is lost with the
 * machine is a record, and the step's own commit, which waits, takes it along.
 */
const insertModelCalls = statement({
  name: 'insert_model_calls',
  params: ['calls', 'texts'],
  row: z.object({ id: z.string() }),
  sql: `
    with c as materialized (
      select c.* from (select set_config('synchronous_commit', 'off', true)) o
      cross join json_to_recordset(:calls::json) as c(
        run uuid, id uuid, step text, model text, request text, temperature float8, most integer, schema text,
        "promptId" text, "promptVersion" text, "promptSha256" text, question text, "questionBytes" integer, answer text,
        input integer, cached integer, output integer, cost bigint, duration integer, outcome text)
      cross join lateral (select r.id from app.runs r where r.id = c.run) r
    ),
    t as (
      insert into app.model_texts (run_id, sha256, text, is_redacted)
      select distinct on (t.run, t.sha256) t.run, t.sha256, t.text, t."isRedacted"
      from json_to_recordset(:texts::json) as t(run uuid, sha256 text, text text, "isRedacted" boolean)
      where t.run = any(array(select c.run from c))
      on conflict do nothing
    )
    insert into app.model_calls (run_id, id, step_id, model, request_id, temperature, max_output_tokens, schema_sha256,
      prompt_id, prompt_version, prompt_sha256, question_sha256, question_bytes, answer_sha256, input_tokens,
      cached_tokens, output_tokens, cost_micros, duration_ms, outcome)
    select c.run, c.id, c.step, c.model, c.request, c.temperature, c.most, c.schema, c."promptId", c."promptVersion",
      c."promptSha256", c.question, c."questionBytes", c.answer, c.input, c.cached, c.output, c.cost, c.duration, c.outcome
    from c
    on conflict do nothing
    returning id`,
})

/** Keeps calls and their texts; the same call again changes nothing. */
export async function insertCalls(db: Executor, records: readonly CallRecord[]): Promise<void> {
  const calls = records.map(({ run, id, step, call }) => ({
    run,
    id,
    step,
    model: call.model,
    request: call.requestId,
    temperature: call.temperature,
    most: call.maxOutputTokens,
    schema: call.schemaSha256,
    promptId: call.prompt?.id ?? null,
    promptVersion: call.prompt?.version ?? null,
    promptSha256: call.prompt?.sha256 ?? null,
    question: call.question.sha256,
    questionBytes: call.question.bytes,
    answer: call.answer?.sha256 ?? null,
    ...(call.tokens ?? { input: null, cached: null, output: null }),
    cost: call.costMicros,
    duration: call.durationMs,
    outcome: call.outcome,
  }))
  const texts = records.flatMap(({ run, texts: kept }) => kept.map((text) => ({ run, ...text })))
  await db.run(insertModelCalls, { calls, texts })
}

const findModelAnswer = statement({
  name: 'find_model_answer',
  params: ['run', 'step', 'models', 'temperature', 'most', 'question'],
  row: z.object({ text: z.string(), by: z.string() }),
  sql: `
    select t.text, c.model as by from app.model_calls c
    join app.model_texts t on t.run_id = c.run_id and t.sha256 = c.answer_sha256
    where c.run_id = :run::uuid and c.question_sha256 = :question::text and c.model = any(:models::text[])
      and split_part(c.step_id, '#', 1) = :step::text and c.outcome = 'answered' and not t.is_redacted
      and c.temperature is not distinct from :temperature::float8 and c.max_output_tokens = :most::integer
    order by c.made_at, c.id
    limit 1`,
})

/** The first whole answer to this question in the rounds of a step, word for word; null when there is none. */
export async function findAnswer(
  db: Executor,
  place: { readonly run: string; readonly rootStep: string },
  { models, temperature, maxOutputTokens, questionSha256 }: AskedBefore,
): Promise<{ readonly text: string; readonly by: string } | null> {
  const asked = { models, temperature, most: maxOutputTokens, question: questionSha256 }
  const [row] = await db.run(findModelAnswer, { run: place.run, step: place.rootStep, ...asked })
  return row ?? null
}

const call = z.object({
  id: z.string(),
  step: z.string(),
  purpose: z.string().nullable(),
  model: z.string(),
  requestId: z.string().nullable(),
  promptId: z.string().nullable(),
  promptVersion: z.string().nullable(),
  promptSha256: z.string().nullable(),
  temperature: z.number().nullable(),
  maxOutputTokens: z.number(),
  questionSha256: z.string(),
  answerSha256: z.string().nullable(),
  inputTokens: z.number().nullable(),
  cachedTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  costMicros: z.number().nullable(),
  durationMs: z.number(),
  outcome: z.string(),
  madeAt: z.date(),
})

/** What was booked by hand is on its reservation alone. */
const callColumns = `c.id, c.step_id as step, v.purpose, c.model, c.request_id,
  c.prompt_id, c.prompt_version, c.prompt_sha256, c.temperature, c.max_output_tokens, c.question_sha256, c.answer_sha256,
  c.input_tokens, c.cached_tokens, c.output_tokens,
  coalesce(c.cost_micros, v.spent_micros) as cost_micros, c.duration_ms, c.outcome, c.made_at`

const callsAndMoney = 'app.model_calls c left join app.reservations v on v.run_id = c.run_id and v.id = c.id'

/** A page of a run's calls, newest first. One more than a page tells whether there is another. */
export const listCalls = statement({
  name: 'list_calls',
  params: ['run', 'most', 'skip'],
  row: call,
  sql: `
    select ${callColumns} from ${callsAndMoney}
    where c.run_id = :run::uuid
    order by c.made_at desc, c.id desc
    limit :most::integer offset :skip::integer`,
})

const keptText = z.object({ text: z.string(), isRedacted: z.boolean() }).nullable()

/** The call of a run whose id ends so, with its texts as they are kept; the newest of several. */
export const readCall = statement({
  name: 'read_call',
  params: ['run', 'call'],
  row: call.extend({ question: keptText, answer: keptText }),
  sql: `
    select ${callColumns},
      (select jsonb_build_object('text', t.text, 'isRedacted', t.is_redacted) from app.model_texts t
       where t.run_id = c.run_id and t.sha256 = c.question_sha256) as question,
      (select jsonb_build_object('text', t.text, 'isRedacted', t.is_redacted) from app.model_texts t
       where t.run_id = c.run_id and t.sha256 = c.answer_sha256) as answer
    from ${callsAndMoney}
    where c.run_id = :run::uuid and right(c.id::text, length(:call::text)) = :call::text
    order by c.made_at desc, c.id desc
    limit 1`,
})
