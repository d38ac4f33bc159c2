-- compatible: yes (grants only)

-- What was asked and sent is forgotten when its time is over, by who removes runs: it sees which and since when, not what.
do $$
begin
  if not exists (select from pg_roles where rolname = 'qp_purger') then
    return;
  end if;
  grant select (ctid, source, delivery_id, received_at), delete on app.inbox to qp_purger;
  grant select (ctid, source, delivery_id, done_at, quarantined_at), delete on app.intake to qp_purger;
  grant select (ctid, source, delivery_id, at), delete on app.quarantine to qp_purger;
end
$$;
