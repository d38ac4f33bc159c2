-- compatible: yes (a new table, a new function and rights only)

-- Who asked to be forgotten: kept before anything is destroyed, so that what breaks off is finished by whoever comes next.
create table pii.erasures (
  actor_id uuid primary key references app.actors (id),
  asked_by uuid not null references app.actors (id),
  asked_at timestamptz not null default app.clock_now(),
  done_at timestamptz
);

create index erasures_open on pii.erasures (actor_id) where done_at is null;

-- Removes the accounts, private places, subscriptions, prompts, codes and links of everybody whose erasure is under way, and of nobody
-- else: the program itself may delete none of them. May run twice.
create function pii.remove_erased() returns void
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
end
$$;

revoke all on function pii.remove_erased() from public;
