import { z } from 'zod'
import type { Anchor, AnchorStore } from '../keys.ts'
import { assert } from '../model/problem.ts'
import type { Executor } from './database.ts'
import { statement } from './statement.ts'

/**
 * The next entries of the chain, judged each by itself and against the one before, and where the head stands at that
 * moment. `after` and `hash` are of the last entry judged before; 0 begins, and then no entry is too small to be seen.
 */
const checkAuditPage = statement({
  name: 'check_audit_page',
  params: ['after', 'hash', 'most', 'anchored'],
  row: z.object({
    entries: z.number(),
    lastSeq: z.number(),
    lastHash: z.string(),
    anchoredHash: z.string().nullable(),
    brokenSeq: z.number().nullable(),
    problem: z.string().nullable(),
    headSeq: z.number().nullable(),
    headHash: z.string().nullable(),
    at: z.date(),
  }),
  sql: `
    with page as materialized (
      select e.* from audit.entries e
      where e.seq > case when :after::bigint = 0 then -9223372036854775808 else :after::bigint end
      order by e.seq
      limit :most::integer
    ),
    judged as materialized (
      select p.seq, p.hash, case
          when p.seq <> lag(p.seq, 1, :after::bigint) over (order by p.seq) + 1 then 'an entry is missing before this one'
          when p.prev_hash <> lag(p.hash, 1, :hash::text) over (order by p.seq)
            then 'the link to the entry before is broken'
          when p.hash <> audit.entry_hash(p.prev_hash, p.seq, p.at, p.actor_id, p.action, p.run_id, p.correlation_id,
            p.target, p.content_sha256, p.detail) then 'the entry was changed'
        end as problem
      from page p
    )
    select (select count(*)::integer from judged) as entries,
      coalesce((select max(j.seq) from judged j), :after::bigint) as last_seq,
      coalesce((select j.hash from judged j order by j.seq desc limit 1), :hash::text) as last_hash,
      (select j.hash from judged j where j.seq = :anchored::bigint) as anchored_hash,
      broken.seq as broken_seq, broken.problem, h.seq as head_seq, h.hash as head_hash, app.clock_now() as at
    from (select) this
    left join audit.head h on true
    left join lateral (
      select j.seq, j.problem from judged j where j.problem is not null order by j.seq limit 1
    ) broken on true`,
})

/** The first place where the audit does not hold, in words that go on after "entry 3: ". */
export type AuditBreak = { readonly seq: number; readonly problem: string }

/** The whole audit as it stands: where it ends, or where it does not hold. */
export type Chain =
  | { readonly kind: 'whole'; readonly end: Anchor; readonly anchor: Anchor | null }
  | ({ readonly kind: 'broken' } & AuditBreak)

/** Two seconds of hashing at most, so that no statement of a long chain comes near its timeout. */
const page = 50_000

const genesis = '0'.repeat(64)

/**
 * Reads the whole audit: every entry against its hash and the one before, the end against the head, and all of it
 * against the anchor. About five seconds for a million entries.
 */
export async function readChain(db: Executor, anchors: AnchorStore | null): Promise<Chain> {
  // First the anchor: whatever it was taken from is in the chain that is read after it.
  const anchor = (await anchors?.latest()) ?? null
  let anchoredHash: string | null = null
  for (let last = { seq: 0, hash: genesis }; ; ) {
    const params = { after: last.seq, hash: last.hash, most: page, anchored: anchor?.seq ?? 0 }
    const [row] = await db.run(checkAuditPage, params)
    assert(row, 'a page of the audit is one row')
    if (row.problem !== null) return { kind: 'broken', seq: row.brokenSeq ?? 0, problem: row.problem }
    last = { seq: row.lastSeq, hash: row.lastHash }
    anchoredHash ??= row.anchoredHash
    if (row.entries === page) continue
    if (row.headSeq !== last.seq || row.headHash !== last.hash)
      return { kind: 'broken', seq: last.seq, problem: 'the head of the chain does not name it as the last one' }
    const problem = anchor === null ? null : againstAnchor(anchor, anchoredHash, anchors?.place ?? '')
    if (problem !== null) return { kind: 'broken', seq: last.seq, problem }
    return { kind: 'whole', end: { ...last, at: row.at }, anchor }
  }
}

/** What an anchor says against a chain that holds by itself. Two things look alike, and only a person knows which it was. */
function againstAnchor({ seq, hash, at }: Anchor, found: string | null, place: string): string | null {
  if (seq === 0 || found === hash) return null
  const when = `${at.toISOString().slice(0, 16)}Z`
  const what =
    found === null
      ? `the audit ends here, but on ${when} it ended at entry ${seq}`
      : `entry ${seq} is not the one that was there on ${when}`
  return (
    `${what}: somebody cut off or rewrote it, or an older backup of the database was put back. ` +
    `If you put one back, move ${place} away, and the audit counts from now on as it is; if nobody did, keep the database as it is and look for who wrote to it.`
  )
}

/** The first place where the audit does not hold, or null; `anchors` null: without asking how it stood before. */
export async function findAuditBreak(db: Executor, anchors: AnchorStore | null): Promise<AuditBreak | null> {
  const chain = await readChain(db, anchors)
  return chain.kind === 'broken' ? chain : null
}
