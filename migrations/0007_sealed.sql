-- compatible: no (names, accounts and remarks are sealed now; older code would look for them in plain text)

-- Whose an account of a surface is. What the account and the person are called is sealed under the actor's key, which is
-- not in this database; `lookup` is a keyed hash of surface and account.
create table pii.identities (
  lookup bytea primary key,
  surface text not null,
  actor_id uuid not null references app.actors (id),
  sealed_account bytea not null,
  sealed_label bytea not null,
  linked_at timestamptz not null default app.clock_now()
);

create index identities_actor on pii.identities (actor_id);

alter table pii.remarks add column sealed bytea;
-- No older client is there to mind.
-- squawk-ignore ban-drop-not-null
alter table pii.remarks alter column body drop not null;

-- One row: which keys belong to this database, and whether rows of older versions wait to be sealed.
create table pii.keyring (
  only_one boolean primary key default true check (only_one),
  -- What the lookup key makes of a fixed text; null until a process with keys has opened this database.
  mark bytea,
  is_plain boolean not null
);

insert into pii.keyring (is_plain)
values (exists (select from pii.accounts) or exists (select from pii.remarks));

-- Leaves nothing of the plain text, not even in files: both statements write their table anew.
create function pii.forget_plain_text() returns void
  language plpgsql
  set search_path = pg_catalog as $$
begin
  truncate pii.accounts;
  alter table pii.remarks alter column body type text using null::text;
end
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'qp_backup') then
    grant select on pii.identities, pii.keyring to qp_backup;
  end if;
end
$$;
