-- compatible: yes (new tables, a new column with a default; code that does not know them records no call and shows no progress)

-- What each call of a model was, whatever came of it. Inserted once, under the id of the money that was set aside for it.
create table app.model_calls (
  run_id uuid not null,
  id uuid not null,
  step_id text not null,
  model text not null,
  -- The provider's own; null when it gave none.
  request_id text,
  -- Null: left to the provider.
  temperature double precision,
  max_output_tokens integer not null,
  -- Of the JSON Schema that the answer had to follow; null: free text.
  schema_sha256 text check (schema_sha256 ~ '^[0-9a-f]{64}$'),
  -- The file of the prompt; null where an agent asked in its own words.
  prompt_id text,
  prompt_version text,
  prompt_sha256 text,
  question_sha256 text not null check (question_sha256 ~ '^[0-9a-f]{64}$'),
  question_bytes integer not null,
  answer_sha256 text check (answer_sha256 ~ '^[0-9a-f]{64}$'),
  -- By the provider's count; null when it did not say.
  input_tokens integer,
  cached_tokens integer,
  output_tokens integer,
  -- What was booked; null where nobody knows.
  cost_micros bigint,
  duration_ms integer not null,
  -- `answered`, `cut` at its longest, `stopped` because its step was, or the code of the fault.
  outcome text not null,
  made_at timestamptz not null default app.clock_now(),
  primary key (run_id, id),
  constraint model_calls_prompt_is_whole
    check ((prompt_id is null) = (prompt_version is null) and (prompt_id is null) = (prompt_sha256 is null))
);

-- Questions and answers, without the secrets that stood in them; each belongs to one run and goes with it.
create table app.model_texts (
  run_id uuid not null,
  -- Of the text before anything was taken out.
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  text text not null,
  -- True: a secret was taken out, so that the text is not what was asked or answered.
  is_redacted boolean not null,
  primary key (run_id, sha256)
);

-- What a step says it is doing right now: one row for each run, written over at most once a second.
create table app.progress (
  run_id uuid primary key,
  step_id text not null,
  text text not null,
  -- Rises with each change.
  n integer not null default 1,
  at timestamptz not null default app.clock_now()
) with (fillfactor = 50);

-- The change of its run's progress that a card showed last.
alter table app.cards add column seen_progress integer not null default 0;

-- What people wrote at gates stands in the questions that came after: the texts of those runs go with the person.
create or replace function pii.remove_erased() returns void
  language plpgsql security definer
  set search_path = pg_catalog as $$
declare
  actors uuid[] := array(
    select a.id from pii.erasures e join app.actors a on a.id = e.actor_id or a.same_as = e.actor_id
    where e.done_at is null);
begin
  delete from app.subscriptions s using app.destinations d
  where d.id = s.destination_id and d.actor_id = any(actors);
  delete from pii.addresses a using app.destinations d
  where d.id = a.destination_id and (d.actor_id = any(actors) or a.subject_id = any(actors));
  delete from app.prompts p where p.actor_id = any(actors);
  delete from pii.mail_codes c where c.actor_id = any(actors);
  delete from pii.gate_links l where l.actor_id = any(actors);
  delete from pii.identities i where i.actor_id = any(actors);
  delete from app.model_texts t
  where t.run_id in (select g.run_id from app.gates g where g.decided_by = any(actors) and g.remark_id is not null);
end
$$;
