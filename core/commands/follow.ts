import type { Actor } from '../model/actor.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import type { Executor } from '../store/database.ts'
import { everyProject, findProject, keepQuiet, subscribe } from '../store/destination.ts'
import type { Following, Reply } from './command.ts'

/** What the place it is said at hears of runs from now on, and when it must be silent. */
export async function follow(db: Executor, actor: Actor, command: Following): Promise<Result<Reply>> {
  if (actor.at === null)
    return refused(
      'usage',
      'This is about a chat, and here is none.',
      `Say /${command.kind} in the chat it is meant for.`,
    )
  if (command.kind === 'quiet') return quiet(db, actor.at, command)
  const project = await projectOf(db, command.project)
  if (!project.ok) return project
  const [kept] = await db.run(subscribe, {
    destination: actor.at,
    project: project.value.id,
    level: command.kind === 'unsubscribe' ? 'nothing' : command.kind === 'mute' ? null : command.level,
    forMs: command.kind === 'mute' ? command.hours * 3_600_000 : 0,
  })
  return accepted({
    kind: 'following',
    project: project.value.name,
    level: kept?.level ?? 'nothing',
    mutedUntil: kept?.mutedUntil ?? null,
  })
}

async function projectOf(db: Executor, name: string | null): Promise<Result<{ id: string; name: string | null }>> {
  if (name === null) return accepted({ id: everyProject, name: null })
  const [found] = await db.run(findProject, { name })
  return found
    ? accepted(found)
    : refused('not_found', `There is no project ${name}.`, 'See /runs, or leave it out for all.')
}

type Quiet = Extract<Following, { kind: 'quiet' }>

async function quiet(db: Executor, destination: string, { from, to, zone }: Quiet): Promise<Result<Reply>> {
  await db.run(keepQuiet, { destination, from, to, zone })
  return accepted({ kind: 'quiet', from, to, zone })
}
