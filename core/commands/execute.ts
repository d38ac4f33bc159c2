import { createHash } from 'node:crypto'
import type { Actor } from '../model/actor.ts'
import type { Result } from '../model/problem.ts'
import { refused } from '../model/problem.ts'
import { findDelivery, insertDelivery, keepReply } from '../store/inbox.ts'
import { notifyReady } from '../store/worker.ts'
import { budget } from './budget.ts'
import type { Command, Reply } from './command.ts'
import type { Desk, Request } from './desk.ts'
import { needs } from './command.ts'
import { decideGate } from './decide-gate.ts'
import { intervene } from './intervene.ts'
import { showArtifacts, showDiff, showGates, showLogs, showRuns, showStatus } from './show.ts'
import { startRun } from './start-run.ts'
import { pseudonymOf } from '../store/gate.ts'

/**
 * Does what a person asked for, in one transaction, once per delivery: the same delivery again hears the same answer.
 * Throws a Fault when the database is away; nothing was done then, or it was done and a repeat will say so.
 */
export async function execute(desk: Desk, actor: Actor, command: Command, deliveryId: string): Promise<Result<Reply>> {
  const allowed = needs[command.kind].some((role) => actor.roles.includes(role))
  if (!allowed) return refusedFor(command, actor)
  if (isReading(command)) return read({ tx: desk.db, desk, actor, command, deliveryId })
  const result = await desk.db.transaction((tx) => once({ tx, desk, actor, command, deliveryId }))
  // A hint after the commit; whoever misses it finds the work by polling.
  desk.poke()
  await desk.db.run(notifyReady, {}).catch(() => undefined)
  return result
}

type Reading = Extract<Command, { kind: 'status' | 'runs' | 'gates' | 'logs' | 'artifacts' | 'diff' | 'whoami' }>

const readingKinds: ReadonlySet<string> = new Set(['status', 'runs', 'gates', 'logs', 'artifacts', 'diff', 'whoami'])

const isReading = (command: Command): command is Reading => readingKinds.has(command.kind)

async function once(request: Request): Promise<Result<Reply>> {
  const { tx, actor, command, deliveryId } = request
  const delivery = { source: actor.surface, deliveryId }
  const bodySha256 = createHash('sha256')
    .update(JSON.stringify([actor.id, command]))
    .digest('hex')
  const [fresh] = await tx.run(insertDelivery, { ...delivery, bodySha256 })
  if (!fresh) return repeated(request, bodySha256)
  const result = await change(request as Request<Exclude<Command, Reading>>)
  await tx.run(keepReply, { ...delivery, reply: result })
  return result
}

async function repeated({ tx, actor, deliveryId }: Request, bodySha256: string): Promise<Result<Reply>> {
  const [before] = await tx.run(findDelivery, { source: actor.surface, deliveryId })
  if (before?.bodySha256 !== bodySha256) {
    return refused(
      'invalid_input',
      'This request id was used for something else before.',
      'Send it again under a new id.',
    )
  }
  return revive(before.reply)
}

/** Dates come back from storage as text; a surface draws them as dates. */
function revive(reply: unknown): Result<Reply> {
  const text = JSON.stringify(reply)
  return JSON.parse(text, (key, value: unknown) =>
    key.endsWith('At') && typeof value === 'string' ? new Date(value) : value,
  ) as Result<Reply>
}

function change(request: Request<Exclude<Command, Reading>>): Promise<Result<Reply>> {
  const { command } = request
  switch (command.kind) {
    case 'run':
      return startRun({ ...request, command })
    case 'approve':
    case 'reject':
    case 'changes':
      return decideGate({ ...request, command })
    case 'pause':
    case 'resume':
    case 'retry':
    case 'cancel':
      return intervene({ ...request, command })
    case 'budget':
      return budget({ ...request, command })
  }
}

async function read(request: Request<Reading>): Promise<Result<Reply>> {
  const { command, actor } = request
  switch (command.kind) {
    case 'status':
      return command.run === null ? showRuns(request.tx, command.page) : showStatus(request.tx, command.run)
    case 'runs':
      return showRuns(request.tx, command.page)
    case 'gates':
      return showGates(request.tx)
    case 'logs':
      return showLogs(request.tx, command.run)
    case 'artifacts':
      return showArtifacts(request.tx, command.run, command.name)
    case 'diff':
      return showDiff(request.tx, command.run)
    case 'whoami':
      return {
        ok: true,
        value: { kind: 'whoami', label: actor.label, pseudonym: pseudonymOf(actor.id), roles: actor.roles },
      }
  }
}

function refusedFor(command: Command, actor: Actor): Result<Reply> {
  const wanted = needs[command.kind].join(' or ')
  const have = actor.roles.length === 0 ? 'You have no role yet' : `You are ${actor.roles.join(', ')}`
  return refused('not_allowed', `/${command.kind} needs the role ${wanted}. ${have}.`, 'Ask an admin for it.')
}
