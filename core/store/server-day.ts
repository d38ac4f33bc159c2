import { z } from 'zod'
import { statement } from './statement.ts'

/** Sets money aside on the server's day alone, for a call that belongs to no run; no row where it does not fit. */
export const reserveServerDay = statement({
  name: 'reserve_server_day',
  params: ['zone', 'micros', 'tokens', 'capMicros', 'capTokens'],
  row: z.object({ key: z.string() }),
  sql: `
    insert into app.spending as s (level, key, reserved_micros, reserved_tokens)
    select 'instance-day', 'all:' || to_char(
      date_trunc('day', app.clock_now() at time zone :zone::text), 'YYYY-MM-DD"T"HH24:MI'), :micros::bigint, :tokens::bigint
    where :micros::bigint <= coalesce(:capMicros::bigint, :micros::bigint)
      and :tokens::bigint <= coalesce(:capTokens::bigint, :tokens::bigint)
    on conflict (level, key) do update set reserved_micros = s.reserved_micros + excluded.reserved_micros,
      reserved_tokens = s.reserved_tokens + excluded.reserved_tokens
      where (:capMicros::bigint is null
          or s.spent_micros + s.reserved_micros + excluded.reserved_micros <= :capMicros::bigint)
        and (:capTokens::bigint is null
          or s.spent_tokens + s.reserved_tokens + excluded.reserved_tokens <= :capTokens::bigint)
    returning s.key`,
})

/** Books what such a call really used; to be said once. */
export const settleServerDay = statement({
  name: 'settle_server_day',
  params: ['key', 'reservedMicros', 'reservedTokens', 'micros', 'tokens'],
  row: z.object({ key: z.string() }),
  sql: `
    update app.spending s set spent_micros = s.spent_micros + :micros::bigint,
      spent_tokens = s.spent_tokens + :tokens::bigint, reserved_micros = s.reserved_micros - :reservedMicros::bigint,
      reserved_tokens = s.reserved_tokens - :reservedTokens::bigint
    where s.level = 'instance-day' and s.key = :key::text
    returning s.key`,
})
