import { existsSync } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { administer, openSession, type ServerConnection } from './administer.ts'
import { until } from './program.ts'

/** A place where a process stops as if time stood still, to be killed there. */
export type Trap = {
  /** True as soon as a process is in it; false when it was opened before any came. */
  readonly sprung: Promise<boolean>
  /** Lets everybody go on who is still there, and takes it away. May be repeated. */
  open(): Promise<void>
}

/** A row that is being written; with `atCommit` one that is written and not yet committed. */
export type RowPoint = {
  readonly table: string
  readonly on: 'insert' | 'update' | 'delete'
  readonly when?: string
  readonly atCommit?: true
}

/** A trigger that waits for a lock which this test holds. */
export async function trapInDatabase(connection: ServerConnection, point: RowPoint): Promise<Trap> {
  const session = openSession(connection)
  onTestFinished(() => session.end())
  await session.unsafe('select pg_advisory_lock(4711)')
  await session.unsafe(`
    create or replace function public.wait_here() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(4711); return coalesce(new, old); end $$`)
  const [kind, moment] = point.atCommit
    ? ['constraint trigger', `after ${point.on} on app.${point.table} deferrable initially deferred`]
    : ['trigger', `before ${point.on} on app.${point.table}`]
  const when = point.when === undefined ? '' : `when (${point.when})`
  await session.unsafe(`create ${kind} wait_here ${moment} for each row ${when} execute function public.wait_here()`)
  const caught = () =>
    administer(connection, `select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted`)
  const watched = watch(async () => (await caught()).length > 0)
  let isOpen = false
  const open = async (): Promise<void> => {
    if (isOpen) return
    isOpen = true
    watched.stop()
    // The server would not notice before the lock is free that whoever waits for it is gone.
    for (const { pid } of await caught()) await session.unsafe(`select pg_terminate_backend(${String(pid)})`)
    await until(async () => (await caught()).length === 0, 'nobody is left in the trap')
    await session.unsafe('select pg_advisory_unlock(4711)')
    await session.unsafe(`drop trigger wait_here on app.${point.table}`)
    await session.end()
  }
  return { sprung: watched.seen, open }
}

/** A command of git: before it does anything, or when it has done all and its answer is on its way. */
export type GitPoint = {
  /** An extended regular expression for the whole line. */
  readonly git: string
  readonly moment: 'before' | 'after'
  /** The how many-th such command; the first one unless given. */
  readonly nth?: number
}

/** A git of which one command can be stopped. */
export type SlowGit = {
  /** Leads programs to it. */
  readonly path: string
  set(point: GitPoint): Promise<Trap>
}

const rest = '/usr/local/bin:/usr/bin:/bin'

/** Whoever waits looks whether the pattern is still there; what was not begun when it goes is not done. */
const slowGit = (dir: string): string => `#!/bin/sh
PATH='${rest}'; export PATH
[ -e '${dir}/pattern' ] && printf '%s' "$*" | grep -Eqf '${dir}/pattern' || exec git "$@"
echo x >> '${dir}/passed'
[ "$(wc -l < '${dir}/passed')" -eq "$(cat '${dir}/nth')" ] || exec git "$@"
moment=$(cat '${dir}/moment')
if [ "$moment" = after ]; then git "$@" > '${dir}/answer'; code=$?; else code=1; fi
touch '${dir}/caught'
tries=0
while [ -e '${dir}/pattern' ] && [ $tries -lt 1500 ]; do sleep 0.02; tries=$((tries+1)); done
[ "$moment" = before ] || cat '${dir}/answer'
exit $code
`

/** Lays it out in an empty folder where programs can be run. */
export async function laySlowGit(dir: string): Promise<SlowGit> {
  const bin = join(dir, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'git'), slowGit(dir))
  await chmod(join(bin, 'git'), 0o755)
  const clear = async (): Promise<void> => {
    for (const name of ['pattern', 'passed', 'caught']) await rm(join(dir, name), { force: true })
  }
  const set = async ({ git, moment, nth = 1 }: GitPoint): Promise<Trap> => {
    await clear()
    await writeFile(join(dir, 'nth'), `${nth}`)
    await writeFile(join(dir, 'moment'), moment)
    await writeFile(join(dir, 'pattern'), `${git}\n`)
    return trapWhere(() => existsSync(join(dir, 'caught')), clear)
  }
  return { path: `${bin}:${rest}`, set }
}

/** Nobody is held there, but it is seen as soon as it is so. */
export function trapWhere(isThere: () => boolean | Promise<boolean>, open: () => Promise<void> = nothing): Trap {
  const watched = watch(async () => isThere())
  return {
    sprung: watched.seen,
    open: async () => {
      watched.stop()
      await open()
    },
  }
}

const nothing = (): Promise<void> => Promise.resolve()

/** Holds once whoever comes through: what is returned is to be awaited there. */
export function trapAt(): Trap & { pass(): Promise<void> } {
  const sprung = Promise.withResolvers<boolean>()
  const opened = Promise.withResolvers<void>()
  let isSprung = false
  return {
    sprung: sprung.promise,
    pass: async () => {
      if (isSprung) return
      isSprung = true
      sprung.resolve(true)
      await opened.promise
    },
    open: () => {
      isSprung = true
      sprung.resolve(false)
      opened.resolve()
      return nothing()
    },
  }
}

function watch(isThere: () => Promise<boolean>) {
  const seen = Promise.withResolvers<boolean>()
  const over = new AbortController()
  const look = async (): Promise<void> => {
    while (!over.signal.aborted) {
      if (await isThere()) return seen.resolve(true)
      await delay(5)
    }
  }
  void look().catch(seen.reject)
  const stop = (): void => {
    over.abort()
    seen.resolve(false)
  }
  return { seen: seen.promise, stop }
}
