/** Names the socket's file; nothing listens on the network, so a busy port does not matter. */
export const port = 5432

export const superuser = 'quantapilot'

/** The database that every new PostgreSQL has. */
export const database = 'postgres'

/**
 * Written to `postgresql.conf` once, where its owner may change it: sizes for a small machine, and a log that repeats
 * neither statements nor rows, because they may hold what people wrote.
 */
export const initialSettings: readonly string[] = [
  'shared_buffers=128MB',
  'max_connections=100',
  'log_min_error_statement=panic',
  'log_error_verbosity=terse',
  'log_checkpoints=off',
]

/** Given at every start, so that no file can undo them. */
export function startFlags(socket: string, durable: boolean): string[] {
  const settings = ['listen_addresses=', `port=${port}`, `unix_socket_directories=${socket}`]
  return [...settings, ...(durable ? safe : fast)].flatMap((setting) => ['-c', setting])
}

const safe = ['fsync=on', 'full_page_writes=on', 'synchronous_commit=on']

const fast = [
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'autovacuum=off',
]
