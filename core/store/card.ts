import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { statement } from './statement.ts'

/** What the buttons of a card carry: 128 random bits in 22 letters. */
export const cardKey = (): string => randomBytes(16).toString('base64url')

/** Shows a run at the place it was asked for, from the same commit on. */
export const insertRunCard = statement({
  name: 'insert_run_card',
  params: ['run', 'id', 'key', 'destination'],
  row: z.object({ id: z.string() }),
  sql: `
    insert into app.cards (run_id, id, key, destination_id, kind, subject)
    values (:run::uuid, :id::uuid, :key::text, :destination::uuid, 'run', :run::uuid)
    on conflict on constraint cards_once do nothing
    returning id`,
})

/** The gate that note `c` tells of, as the message says that it was made from; null for other notes, and once that is gone. */
const notedGate = `(select o.payload->>'gate_id' from app.outbox o where o.run_id = c.run_id and o.id = c.subject)`

/**
 * Turns what happened to runs into cards: the run's own and one for each open gate wherever the run is shown or its
 * project is subscribed to, a note where people should look up, a receipt for each whose vote counts; and asks for all cards of
 * those runs to be drawn anew. May be repeated. `notes` is a list of `{run_id, id, topic, gate_id,
 * is_decision}`.
 */
export const placeCards = statement({
  name: 'place_cards',
  params: ['runs', 'notes'],
  row: z.object({ cards: z.number() }),
  sql: `
    with asked_for as materialized (
      -- What a place said of this project counts before what it said of all; silence asked for of either is silence.
      select r.id as run_id, s.destination_id, bool_or(s.muted_until > app.clock_now()) as is_muted,
        (array_agg(s.level order by s.project_id = '00000000-0000-0000-0000-000000000000'::uuid))[1] as level
      from app.runs r
      join app.subscriptions s on s.project_id = any(array['00000000-0000-0000-0000-000000000000'::uuid, r.project_id])
      where r.id = any(:runs::uuid[]) and r.parent_id is null
      group by r.id, s.destination_id
    ),
    told as materialized (
      select place.run_id, d.id as destination_id, d.actor_id, place.hears_all
      from (
        select f.run_id, f.destination_id, f.level = 'all' as hears_all
        from asked_for f where f.level <> 'nothing' and not f.is_muted
        union all
        -- Where a run was started, it is told of whole, unless that place asked for less.
        select c.run_id, c.destination_id, true from app.cards c
        where c.run_id = any(:runs::uuid[]) and c.kind = 'run' and not exists (
          select from asked_for f where f.run_id = c.run_id and f.destination_id = c.destination_id
            and (f.level <> 'nothing' or f.is_muted))
      ) place
      join app.destinations d on d.id = place.destination_id and d.state = 'open'
    ),
    gates as materialized (
      select g.run_id, g.id, g.decided_by, g.verdict from app.gates g where g.run_id = any(:runs::uuid[])
        and (g.verdict is null or g.decided_by is not null)
    ),
    due as (
      select told.run_id, told.destination_id, 'run' as kind, told.run_id as subject, null as topic from told
      union all
      select told.run_id, told.destination_id, 'gate', gates.id, null
      from told join gates on gates.run_id = told.run_id and gates.decided_by is null
      union all
      select told.run_id, told.destination_id, 'note', note.id, note.topic
      from told join jsonb_to_recordset(:notes::jsonb) as note(run_id uuid, id uuid, topic text, gate_id text,
          is_decision boolean)
        on note.run_id = told.run_id and (told.hears_all or note.is_decision)
      -- One that waits will say what is so by then: the next morning need not hear of each reminder of the night.
      where not exists (select from app.cards c where c.run_id = told.run_id and c.destination_id = told.destination_id
        and c.kind = 'note' and c.topic = note.topic and c.subject <> note.id and c.shown < c.wanted and c.gave_up is null
        and ${notedGate} is not distinct from note.gate_id)
      union all
      select gates.run_id, d.id, 'receipt', gates.id, null
      from gates
      join app.votes v on v.run_id = gates.run_id and v.gate_id = gates.id
        and v.choice = coalesce(gates.verdict, v.choice)
      join app.destinations d on d.actor_id = any(array[v.actor_id, v.in_place_of]) and d.state = 'open'
    ),
    made as (
      insert into app.cards (run_id, id, key, destination_id, kind, subject, topic)
      select due.run_id, gen_random_uuid(), translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/=', '-_'),
        due.destination_id, due.kind, due.subject, due.topic
      from due
      on conflict on constraint cards_once do update set wanted = cards.wanted + 1, asked_at = app.clock_now()
        where not cards.is_final
      returning 1
    ),
    -- What stands somewhere stays true, also of gates that closed undecided and at places that want nothing new.
    asked as (
      update app.cards c set wanted = c.wanted + 1, asked_at = app.clock_now()
      where c.run_id = any(:runs::uuid[]) and not c.is_final and c.kind = any(array['run', 'gate', 'receipt'])
        and not exists (select from due where due.run_id = c.run_id and due.destination_id = c.destination_id
          and due.kind = c.kind and due.subject = c.subject)
      returning 1
    )
    select (select count(*)::integer from made) + (select count(*)::integer from asked) as cards`,
})

/** Asks for the cards of a run to be drawn anew although nothing happened to it. */
export const redrawRun = statement({
  name: 'redraw_run',
  params: ['run'],
  row: z.object({ id: z.string() }),
  sql: `
    update app.cards c set wanted = c.wanted + 1, asked_at = app.clock_now()
    where c.run_id = :run::uuid and c.kind = 'run' and not c.is_final
    returning c.id`,
})

/**
 * Asks for the cards of runs under way to be drawn anew when their run went on since; where only its progress is new, one
 * card of a place that has been written nothing for `liveMs` and has nothing else to hear.
 */
export const refreshRunning = statement({
  name: 'refresh_running',
  params: ['liveMs'],
  row: z.object({ id: z.string() }),
  sql: `
    with live as materialized (
      select distinct on (c.destination_id) c.run_id, c.id
      from app.runs r
      join app.cards c on c.run_id = r.id and c.kind = 'run' and not c.is_final and c.shown = c.wanted
      join app.destinations d on d.id = c.destination_id
        and d.next_at <= app.clock_now() - :liveMs::float8 * interval '1 millisecond'
      where r.state = 'running' and c.seen_progress <> (select p.n from app.progress p where p.run_id = r.id)
        and not exists (select from app.cards o
          where o.destination_id = c.destination_id and o.shown < o.wanted and o.gave_up is null)
      order by c.destination_id, c.asked_at
    )
    update app.cards c set wanted = c.wanted + 1, asked_at = app.clock_now()
    from app.runs r
    where r.state = 'running' and c.run_id = r.id and c.kind = 'run' and not c.is_final
      and c.shown = c.wanted and (c.seen_seq < r.event_seq or c.id = any(array(select live.id from live)))
    returning c.id`,
})

const takenCard = z.object({
  runId: z.string(),
  id: z.string(),
  key: z.string(),
  number: z.number(),
  destinationId: z.string(),
  subjectId: z.string(),
  sealedAddress: z.instanceof(Buffer),
  isQuiet: z.boolean(),
  kind: z.enum(['run', 'gate', 'note', 'receipt']),
  subject: z.string(),
  topic: z.string().nullable(),
  notedGate: z.string().nullable(),
  place: z.json(),
  root: z.json(),
  wanted: z.number(),
  failures: z.number(),
  shownSha256: z.string().nullable(),
  eventSeq: z.number(),
  progressSeq: z.number(),
})

export type TakenCard = z.infer<typeof takenCard>

/**
 * Takes the next card of each place that may be written to now, and the place with it until it is given back: one
 * message at a time and in order. First what has no root yet, then decisions, then the run, then notes. A note is there
 * to be heard: at a place in its quiet hours it waits for their end.
 */
export const takeCards = statement({
  name: 'take_cards',
  params: ['surface', 'most', 'forMs'],
  row: takenCard,
  sql: `
    with places as materialized (
      select d.id, quiet.is_quiet from app.destinations d
      cross join lateral (
        -- The clock on the wall there, so that a change to summer time needs no thought.
        select coalesce(case when d.quiet_from <= d.quiet_to then wall.at >= d.quiet_from and wall.at < d.quiet_to
          else wall.at >= d.quiet_from or wall.at < d.quiet_to end, false) as is_quiet
        from (select (app.clock_now() at time zone d.zone)::time as at) wall
      ) quiet
      where d.surface = :surface::text and d.state = 'open'
        and d.next_at <= app.clock_now() and d.taken_until <= app.clock_now()
        and exists (select from app.cards c where c.destination_id = d.id and c.shown < c.wanted and c.gave_up is null
          and c.next_at <= app.clock_now() and not (quiet.is_quiet and c.kind = 'note'))
      order by d.next_at
      limit :most::integer
      for no key update of d skip locked
    ),
    taken as (
      update app.destinations d set taken_until = app.clock_now() + :forMs::float8 * interval '1 millisecond'
      from places where d.id = places.id
      returning d.id, places.is_quiet
    )
    select c.run_id, c.id, c.key, r.number, c.destination_id, a.subject_id,
      a.sealed as sealed_address,
      taken.is_quiet, c.kind, c.subject, c.topic, ${notedGate} as noted_gate, c.place,
      (select root.place from app.cards root where root.run_id = c.run_id and root.destination_id = c.destination_id
        and root.kind = 'run' and root.id <> c.id) as root,
      c.wanted, c.failures, c.shown_sha256, r.event_seq,
      coalesce((select p.n from app.progress p where p.run_id = c.run_id), 0) as progress_seq
    from taken
    join pii.addresses a on a.destination_id = taken.id
    cross join lateral (
      select c.* from app.cards c
      where c.destination_id = taken.id and c.shown < c.wanted and c.gave_up is null and c.next_at <= app.clock_now()
        and not (taken.is_quiet and c.kind = 'note')
      order by (c.kind = 'run' and c.place is null) desc, array_position(array['gate', 'run', 'note', 'receipt'], c.kind),
        c.asked_at
      limit 1
    ) c
    join app.runs r on r.id = c.run_id`,
})

/** Says how a card was shown, and gives its place back for the next one after `paceMs`. */
export const cardShown = statement({
  name: 'card_shown',
  params: ['run', 'id', 'place', 'shown', 'seenSeq', 'seenProgress', 'sha256', 'isFinal', 'paceMs'],
  row: z.object({ id: z.string() }),
  sql: `
    with shown as (
      update app.cards c set place = :place::jsonb, shown = greatest(c.shown, :shown::integer),
        seen_seq = :seenSeq::integer, seen_progress = :seenProgress::integer, shown_sha256 = :sha256::text, is_final = :isFinal::boolean, failures = 0
      where c.run_id = :run::uuid and c.id = :id::uuid
      returning c.destination_id
    )
    update app.destinations d set taken_until = '-infinity',
      next_at = app.clock_now() + :paceMs::float8 * interval '1 millisecond'
    where d.id = (select shown.destination_id from shown)
    returning d.id`,
})

/**
 * Says that a card could not be shown: it waits `waitMs`, or with `gaveUp` it is left alone for good. The place waits
 * `placeWaitMs` before anything else is tried there.
 */
export const cardFailed = statement({
  name: 'card_failed',
  params: ['run', 'id', 'waitMs', 'gaveUp', 'placeWaitMs'],
  row: z.object({ id: z.string() }),
  sql: `
    with failed as (
      update app.cards c set failures = c.failures + 1,
        next_at = app.clock_now() + :waitMs::float8 * interval '1 millisecond', gave_up = :gaveUp::text
      where c.run_id = :run::uuid and c.id = :id::uuid
      returning c.destination_id
    )
    update app.destinations d set taken_until = '-infinity',
      next_at = app.clock_now() + :placeWaitMs::float8 * interval '1 millisecond'
    where d.id = (select failed.destination_id from failed)
    returning d.id`,
})

/** How many cards of open places could not be shown when it was last tried, and will be tried again. */
export const measureCards = statement({
  name: 'measure_cards',
  params: [],
  row: z.object({ failing: z.number() }),
  sql: `
    select count(*)::integer as failing
    from app.destinations d
    join app.cards c on c.destination_id = d.id
    where d.state = 'open' and c.shown < c.wanted and c.gave_up is null and c.failures > 0`,
})

/** What the button of a card stands for, at the place it was shown; no row for a key that is none there. */
export const findCard = statement({
  name: 'find_card',
  params: ['key', 'destination'],
  row: z.object({
    number: z.number(),
    kind: z.enum(['run', 'gate', 'note', 'receipt']),
    gateId: z.string().nullable(),
    gateName: z.string().nullable(),
    sha256: z.string().nullable(),
  }),
  sql: `
    select r.number, c.kind, g.id as gate_id, g.name as gate_name, g.artifact_sha256 as sha256
    from app.cards c
    join app.runs r on r.id = c.run_id
    left join app.gates g on g.run_id = c.run_id and g.id = c.subject
    where c.key = :key::text and c.destination_id = :destination::uuid`,
})
