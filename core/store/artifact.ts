import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ArtifactRef } from '../model/outcome.ts'
import { assert } from '../model/problem.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

const insertArtifact = statement({
  name: 'insert_artifact',
  params: ['sha256', 'bytes', 'mediaType'],
  row: z.object({}),
  sql: `
    insert into app.artifacts (sha256, bytes, media_type) values (:sha256::text, :bytes::bytea, :mediaType::text)
    -- Whoever saves bytes again may need them before a run names them: retention keeps what was saved lately.
    on conflict (sha256) do update set saved_at = app.clock_now()
    where coalesce(artifacts.saved_at, artifacts.created_at) < app.clock_now() - interval '1 hour'`,
})

const readArtifact = statement({
  name: 'read_artifact',
  params: ['sha256'],
  row: z.object({ bytes: z.instanceof(Buffer) }),
  sql: `select a.bytes from app.artifacts a where a.sha256 = :sha256::text`,
})

/** 64 hex digits. */
export const sha256Of = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** Stores bytes once; saving them again is the same reference. */
export async function saveArtifact(
  db: Executor,
  name: string,
  bytes: Uint8Array,
  mediaType: string,
): Promise<ArtifactRef> {
  const sha256 = sha256Of(bytes)
  await db.run(insertArtifact, { sha256, bytes: Buffer.from(bytes), mediaType })
  return { name, sha256, sizeBytes: bytes.byteLength }
}

/** The bytes behind an address, hashed again before anyone uses them. Throws a Defect when they are gone or differ. */
export async function loadArtifact(db: Executor, sha256: string): Promise<Uint8Array> {
  const [row] = await db.run(readArtifact, { sha256 })
  assert(row, `artifact ${sha256} is not stored`)
  assert(sha256Of(row.bytes) === sha256, `artifact ${sha256} does not match its address`)
  return row.bytes
}

/**
 * Names artifacts at once, under a live lease, as those of one try of a step: each is a row of its own, and the newest counts.
 * No row when the run belongs to another worker.
 */
export const keepArtifacts = statement({
  name: 'keep_artifacts',
  params: ['worker', 'fence', 'run', 'step', 'attempt', 'artifacts'],
  row: z.object({ id: z.string() }),
  sql: `
    with w as materialized (
      select id from app.workers where id = :worker::uuid and state = 'live' for key share
    ),
    r as materialized (
      select r.id from app.runs r, w
      where r.id = :run::uuid and r.worker_id = w.id and r.fence = :fence::bigint
      for key share of r
    ),
    named as (
      insert into app.run_artifacts (run_id, name, step_id, sha256, size_bytes)
      select r.id, a.value->>'name', :step::text || '@' || :fence::bigint || '.' || :attempt::integer,
        a.value->>'sha256', (a.value->>'sizeBytes')::integer
      from r cross join lateral jsonb_array_elements(:artifacts::jsonb) a(value)
      on conflict do nothing
    )
    select r.id from r`,
})

/** The newest version of each artifact name of a run, by name. */
export const listArtifacts = statement({
  name: 'list_artifacts',
  params: ['run'],
  row: z.object({
    name: z.string(),
    stepId: z.string(),
    sha256: z.string(),
    sizeBytes: z.number(),
    createdAt: z.date(),
  }),
  sql: `
    select distinct on (a.name) a.name, split_part(a.step_id, '@', 1) as step_id, a.sha256, a.size_bytes, a.created_at
    from app.run_artifacts a
    where a.run_id = :run::uuid
    order by a.name, a.created_at desc, a.step_id desc`,
})
