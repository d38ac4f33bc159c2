import { createHash } from 'node:crypto'
import type { Actor } from '../model/actor.ts'
import { pseudonymOf } from '../model/actor.ts'
import type { Refusal, Result } from '../model/problem.ts'
import { accepted, assert, refused } from '../model/problem.ts'
import { appendAudit } from '../store/audit.ts'
import { findAnswer, keepAnswer } from '../store/inbox.ts'
import type { Executor } from '../store/database.ts'
import { budget } from './budget.ts'
import type { Answer, Command, Done, Reply } from './command.ts'
import type { Desk, Request } from './desk.ts'
import { needs } from './command.ts'
import { decideGate } from './decide-gate.ts'
import { denyActor } from './greet.ts'
import { follow } from './follow.ts'
import { intervene } from './intervene.ts'
import { manageKeys } from './keys.ts'
import { mailbox } from './mailbox.ts'
import { privacy } from './privacy.ts'
import { link, manageActors, standIn } from './people.ts'
import { drawAnswer, showArtifacts, showCalls, showDiff, showGates, showLogs, showRuns, showStatus } from './show.ts'
import { startRun } from './start-run.ts'
import { undoRun } from './undo.ts'
import { drawWebhooks, webhook } from './webhook.ts'
import { erased } from '../store/people.ts'

/**
 * Does what a person asked for, in one transaction, once per delivery: the same delivery again hears the same answer. Who
 * may not is on record, wherever they asked. Throws a Fault when the database is away; nothing was done then, or it was
 * done and a repeat will say so.
 */
export async function execute(desk: Desk, actor: Actor, command: Command, deliveryId: string): Promise<Result<Reply>> {
  const answer = await answerTo({ desk, actor, command, deliveryId })
  if (!answer.ok && answer.refusal.code === 'not_allowed') await denyActor(desk, actor, `/${command.kind}`)
  return answer
}

async function answerTo({ desk, actor, command, deliveryId }: Omit<Request, 'tx'>): Promise<Result<Reply>> {
  const wanted = needs[command.kind]
  const allowed = wanted === 'anyone' || wanted.some((role) => actor.roles.includes(role))
  if (!allowed) return refusedFor(command, actor)
  if (isReading(command)) return read({ tx: desk.db, desk, actor, command, deliveryId })
  // About people and places, not runs: saying the same twice does no harm, and a code must not be kept anywhere.
  if (isPersonal(command)) return attend(desk, actor, command)
  const answer = await once({ desk, actor, command, deliveryId })
  desk.poke()
  if (!answer.ok) return nameIn(desk, answer.refusal)
  const { value } = answer
  return accepted(value.kind === 'webhook' ? await drawWebhooks(desk, value) : await drawAnswer(desk, value))
}

type Reading = Extract<
  Command,
  { kind: 'status' | 'runs' | 'gates' | 'logs' | 'calls' | 'artifacts' | 'diff' | 'whoami' }
>

const readingKinds: ReadonlySet<string> = new Set([
  'status',
  'runs',
  'gates',
  'logs',
  'calls',
  'artifacts',
  'diff',
  'whoami',
])

const isReading = (command: Command): command is Reading => readingKinds.has(command.kind)

type Personal = Extract<
  Command,
  { kind: 'link' | 'actor' | 'delegate' | 'key' | 'mail' | 'privacy' | 'subscribe' | 'unsubscribe' | 'mute' | 'quiet' }
>

const personalKinds: ReadonlySet<string> = new Set([
  'link',
  'actor',
  'delegate',
  'key',
  'mail',
  'privacy',
  'subscribe',
  'unsubscribe',
  'mute',
  'quiet',
])

const isPersonal = (command: Command): command is Personal => personalKinds.has(command.kind)

async function attend(desk: Desk, actor: Actor, command: Personal): Promise<Result<Reply>> {
  switch (command.kind) {
    case 'link':
      return link(desk.db, actor, command)
    case 'actor':
      return manageActors(desk, actor, command)
    case 'delegate':
      return standIn(desk, actor, command)
    case 'privacy':
      return privacy(desk, actor, command)
    case 'key':
      return manageKeys(desk.db, actor, command)
    case 'mail':
      return mailbox(desk, actor, command)
    default:
      return follow(desk.db, actor, command)
  }
}

/** An answer that is kept knows people by pseudonym; whoever hears it shall know them by name. */
async function nameIn({ db, people }: Desk, { about, ...refusal }: Refusal): Promise<Result<never>> {
  if (about === undefined) return { ok: false, refusal }
  const label = (await people.labelsOf(db, [about])).get(about) ?? erased
  return { ok: false, refusal: { ...refusal, message: refusal.message.replace(pseudonymOf(about), () => label) } }
}

/** Thrown to undo what a delivery did the second time. */
class Repeated extends Error {}

/** Thrown to undo the keeping of an answer to what was not a request yet. */
class Mistyped extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

const isMistyped = ({ code }: Refusal): boolean => code === 'usage' || code === 'invalid_input'

/** Does the work and keeps its answer in one transaction; a delivery that has an answer already changes nothing. */
async function once(asked: Omit<Request, 'tx'>): Promise<Result<Answer>> {
  const { desk, actor, command, deliveryId } = asked
  const delivery = { source: actor.surface, deliveryId }
  const text = JSON.stringify([actor.id, command])
  const bodySha256 = await desk.people.markRequest(text)
  const work = async (tx: Executor): Promise<Result<Answer>> => {
    const done = await change({ ...asked, tx } as Request<Exclude<Command, Reading | Personal>>)
    const answer = done.ok ? accepted(done.value.answer) : done
    // One flight; the audit's lock is the last.
    const [, kept] = await Promise.all([
      done.ok && done.value.write?.(),
      tx.run(keepAnswer, { ...delivery, bodySha256, reply: answer }),
      appendAudit(tx, done.ok ? done.value.audit : []),
    ])
    if (kept.length === 0) throw new Repeated()
    // What was never understood leaves nothing behind: its id is good for the corrected request.
    if (!answer.ok && isMistyped(answer.refusal)) throw new Mistyped(answer.refusal)
    return answer
  }
  try {
    return await desk.db.transaction(work)
  } catch (error) {
    if (error instanceof Mistyped) return { ok: false, refusal: error.refusal }
    if (!(error instanceof Repeated)) throw error
    desk.onRepeat?.()
    const [before] = await desk.db.run(findAnswer, delivery)
    assert(before, `delivery ${deliveryId} has an answer and has none`)
    const isSame = before.bodySha256 === bodySha256 || before.bodySha256 === unkeyed(text)
    return isSame ? (before.reply as Result<Answer>) : refusedReuse
  }
}

/** As older versions kept it; retention removes the last of these a week after the update. */
const unkeyed = (text: string): string => createHash('sha256').update(text).digest('hex')

const refusedReuse = refused(
  'invalid_input',
  'This request id was used for something else before.',
  'Send it again under a new id.',
)

function change(request: Request<Exclude<Command, Reading | Personal>>): Promise<Result<Done>> {
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
    case 'freeze':
      return intervene({ ...request, command })
    case 'undo':
      return undoRun({ ...request, command })
    case 'budget':
      return budget({ ...request, command })
    case 'webhook':
      return webhook({ ...request, command })
  }
}

async function read(request: Request<Reading>): Promise<Result<Reply>> {
  const { command, actor } = request
  switch (command.kind) {
    case 'status':
      return command.run === null ? showRuns(request.tx, command.page) : showStatus(request.desk, command.run)
    case 'runs':
      return showRuns(request.tx, command.page)
    case 'gates':
      return showGates(request.desk, command.page)
    case 'logs':
      return showLogs(request.tx, command.run, command.page)
    case 'calls':
      return showCalls(request.tx, command.run, command.page)
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
  const roles = needs[command.kind]
  const wanted = roles === 'anyone' ? 'none' : roles.join(' or ')
  const have = actor.roles.length === 0 ? 'You have no role yet' : `You are ${actor.roles.join(', ')}`
  return refused(
    'not_allowed',
    `/${command.kind} needs the role ${wanted}. ${have}.`,
    actor.roles.length === 0
      ? 'Ask an admin for one, or say /link with the code of an account that has it.'
      : 'Ask an admin for it.',
  )
}
