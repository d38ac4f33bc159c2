-- compatible: yes (types over the same values; older code writes none that they refuse, and reads these columns in expressions only)

-- Every statement that changes a row reads the checks of its table anew; those of a domain stay in the server's memory. Money
-- is set aside and settled by statements that change eight rows each, and the checks of these were a twentieth of their time.
-- The table is small enough for what both rules warn of: it is written anew under a lock, here and where a level is added.
-- squawk-ignore-file changing-column-type, ban-create-domain-with-constraint
create domain app.amount as bigint
  constraint amount_is_not_negative check (value >= 0);
create domain app.spending_level as text
  constraint spending_level_is_known
  check (value in ('step', 'task', 'project-day', 'actor-day', 'instance-day', 'hour', 'minute'));

alter table app.spending
  drop constraint spending_level_check,
  drop constraint spending_spent_micros_check,
  drop constraint spending_spent_tokens_check,
  drop constraint spending_reserved_micros_check,
  drop constraint spending_reserved_tokens_check,
  alter level type app.spending_level,
  alter spent_micros type app.amount,
  alter spent_tokens type app.amount,
  alter reserved_micros type app.amount,
  alter reserved_tokens type app.amount;
