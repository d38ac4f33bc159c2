import { z } from 'zod'
import type { Json } from '../model/json.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

/** A privileged transition as the audit keeps it: pseudonyms and hashes of content, never content. */
export type AuditDraft = {
  readonly actorId: string
  readonly action: string
  readonly runId: string | null
  readonly correlationId: string | null
  readonly target: string
  readonly contentSha256: string | null
  readonly detail: { readonly [key: string]: Json }
}

const appendAuditEntries = statement({
  name: 'append_audit',
  params: ['entries'],
  row: z.object({ seq: z.number() }),
  sql: `
    with recursive drafts as materialized (
      select e.n, d.*
      from jsonb_array_elements(:entries::jsonb) with ordinality e(value, n)
      cross join lateral jsonb_to_record(e.value) as d(
        actor_id uuid, action text, run_id uuid, correlation_id uuid, target text, content_sha256 text, detail jsonb)
    ),
    head as materialized (
      select h.seq, h.hash, app.clock_now() as at from audit.head h for update
    ),
    chain as (
      select 0::bigint as n, head.seq, head.hash, head.hash as prev_hash, head.at from head
      union all
      select d.n, chain.seq + 1,
        audit.entry_hash(chain.hash, chain.seq + 1, chain.at, d.actor_id, d.action, d.run_id, d.correlation_id, d.target,
          d.content_sha256, d.detail),
        chain.hash, chain.at
      from chain join drafts d on d.n = chain.n + 1
    ),
    entries as (
      insert into audit.entries (seq, at, actor_id, action, run_id, correlation_id, target, content_sha256, detail,
        prev_hash, hash)
      select chain.seq, chain.at, d.actor_id, d.action, d.run_id, d.correlation_id, d.target, d.content_sha256, d.detail,
        chain.prev_hash, chain.hash
      from chain join drafts d on d.n = chain.n
      returning seq
    ),
    moved as (
      update audit.head h set seq = last.seq, hash = last.hash
      from (select chain.seq, chain.hash from chain order by chain.n desc limit 1) last
    )
    select entries.seq from entries`,
})

/** Appends to the chain. The last statement of its transaction: the head's lock is the last lock anyone takes. */
export async function appendAudit(tx: Executor, drafts: readonly AuditDraft[]): Promise<void> {
  if (drafts.length === 0) return
  const entries = drafts.map((draft) => ({
    actor_id: draft.actorId,
    action: draft.action,
    run_id: draft.runId,
    correlation_id: draft.correlationId,
    target: draft.target,
    content_sha256: draft.contentSha256,
    detail: draft.detail,
  }))
  await tx.run(appendAuditEntries, { entries })
}

/** One at a time, so that nobody's first denial of an hour is noted twice. */
export const lockDenials = statement({
  name: 'lock_denials',
  params: [],
  row: z.object({}),
  sql: `select from (select pg_advisory_xact_lock(7081, 15)) denying`,
})

/** A denial of the last hour to this person for this. */
export const findDenial = statement({
  name: 'find_denial',
  params: ['actor', 'why'],
  row: z.object({ seq: z.number() }),
  sql: `
    select e.seq from audit.entries e
    where e.actor_id = :actor::uuid and e.action = 'access.deny' and e.detail->>'why' = :why::text
      and e.at > app.clock_now() - interval '1 hour'
    limit 1`,
})
