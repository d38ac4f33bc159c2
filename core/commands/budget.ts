import type { z } from 'zod'
import { dollars } from '../model/amount.ts'
import type { Money } from '../model/card.ts'
import { handleOf } from '../model/handle.ts'
import type { Choice } from '../model/decide.ts'
import { resume } from '../model/intervene.ts'
import { onlyThisPhase, raisePolicy } from '../model/money-request.ts'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import type { GateSubject } from '../model/outcome.ts'
import type { Run } from '../model/run.ts'
import { isOver } from '../model/run.ts'
import { transition } from '../model/transition.ts'
import { applyLocked } from '../store/apply.ts'
import { findHeld, findRaisePolicy, raiseBudget, readBudget } from '../store/budget.ts'
import type { Executor } from '../store/database.ts'
import type { lockGates } from '../store/gate.ts'
import { openRequest, withdrawRequest } from '../store/gate.ts'
import { readRun } from '../store/run.ts'
import { bookUse } from '../store/settle-uses.ts'
import { uuidv7 } from '../store/uuid.ts'
import { viewGates } from '../store/view.ts'
import type { Command, Done } from './command.ts'
import type { Request } from './desk.ts'
import { lockedRun } from './locked-run.ts'

type Budget = Extract<Command, { kind: 'budget' }>

/** Shows a run's ledger; with an amount, opens a request that an approver grants; with a call's, books what it cost. */
export async function budget(request: Request<Budget>): Promise<Result<Done>> {
  const { tx, command, actor } = request
  const run = await lockedRun(tx, command.run)
  if (!run.ok) return run
  const [ledger] = await tx.run(readBudget, { run: run.value.id })
  if (!ledger)
    return refused('wrong_state', `Run ${command.run} has no budget of its own.`, `See /status ${command.run}.`)
  if (command.booked) return bookCall(request, { run: run.value, ...command.booked })
  if (command.raiseMicros === null) return accepted(shown(run.value, null))
  if (!actor.roles.includes('operator') && !actor.roles.includes('admin')) {
    return refused('not_allowed', 'Asking for more money needs the role operator.', 'Ask an operator.')
  }
  if (isOver(run.value.state))
    return refused('wrong_state', `Run ${command.run} is over.`, 'Start a new one with /run.')
  return askForRaise(request, { run: run.value, ledger, micros: command.raiseMicros })
}

type Booked = { readonly run: Run; readonly call: string; readonly micros: number }

/** What a call cost that broke off before it said, by somebody who has looked it up where it is billed. */
async function bookCall({ tx, actor, command }: Request<Budget>, { run, call, micros }: Booked): Promise<Result<Done>> {
  if (!actor.roles.includes('admin'))
    return refused('not_allowed', 'Booking what a call cost needs the role admin.', 'Ask an admin.')
  const settled = refused(
    'not_found',
    `Run ${command.run} has nothing set aside for a call ${call}.`,
    `See /budget ${command.run}.`,
  )
  const [held] = await tx.run(findHeld, { run: run.id, call })
  if (!held) return settled
  if (!held.isOver)
    return refused(
      'wrong_state',
      `Call ${call} may still be under way.`,
      `Wait for it, or /pause ${command.run} first.`,
    )
  const { id, reservedMicros, reservedTokens } = held
  // Whoever reads a bill reads dollars: its tokens count as they were set aside.
  const tokens = micros === 0 ? 0 : reservedTokens
  // Its worker may have come to know meanwhile.
  if (!(await bookUse(tx, { run: run.id, id, micros, tokens }))) return settled
  const detail = { micros, tokens, reserved_micros: reservedMicros, reserved_tokens: reservedTokens }
  const about = { runId: run.id, correlationId: run.correlationId, target: id, contentSha256: null }
  return accepted({ ...shown(run, null), audit: [{ actorId: actor.id, action: 'call.book', ...about, detail }] })
}

type Ask = { readonly run: Run; readonly ledger: Money; readonly micros: number }

async function askForRaise(
  { tx, actor, command }: Request<Budget>,
  { run, ledger, micros }: Ask,
): Promise<Result<Done>> {
  await tx.run(withdrawRequest, { run: run.id })
  const open = (await tx.run(viewGates, { run: run.id })).find(
    (gate) => gate.kind === 'budget' && gate.verdict === null,
  )
  if (open)
    return refused(
      'wrong_state',
      `Run ${command.run} asks for more money already.`,
      `Decide it: /approve ${command.run} ${open.name}.`,
    )
  const id = uuidv7()
  const [own] = await tx.run(findRaisePolicy, { run: run.id })
  const subject = {
    artifact: { name: 'budget', sha256: '', sizeBytes: 0 },
    what: `Raise the budget of run ${command.run} by ${dollars(micros)}`,
    risks: [],
    questions: [],
    changes: [`cap ${dollars(ledger.capMicros)} → ${dollars(ledger.capMicros + micros)}`],
    facts: [`spent ${dollars(ledger.spentMicros)}, reserved ${dollars(ledger.reservedMicros)}`],
    micros,
  }
  await tx.run(openRequest, {
    run: run.id,
    id,
    kind: 'budget',
    name: 'budget',
    subject,
    policy: own?.policy ?? raisePolicy,
    requestedBy: actor.id,
  })
  await applyLocked(tx, transition(run, { events: [{ kind: 'gate_requested', payload: { gate: 'budget', micros } }] }))
  return accepted(shown(run, id))
}

const shown = (run: Run, asked: string | null): Done => ({
  answer: { kind: 'budget', run: handleOf(run.number), asked },
  audit: [],
})

type Grant = {
  readonly gate: z.infer<typeof lockGates.row>
  readonly verdict: Choice
  /** What the approval was limited to; null: nothing. */
  readonly option: string | null
}

/** Carries out what was decided about money; a run that waited for it goes on, until its phase ends where only that was granted. */
export async function grantMoney({ tx }: Pick<Request, 'tx'>, run: Run, grant: Grant): Promise<void> {
  const { gate, verdict, option } = grant
  const decision = { kind: 'gate_decision', payload: { gate: gate.name, verdict } } as const
  if (verdict !== 'approved') return applyLocked(tx, transition(run, { events: [decision] }))
  const raised = gate.subject.call ? null : await raise(tx, run, gate.subject)
  await applyLocked(tx, transition(run, { events: raised ? [decision, raised] : [decision] }))
  if (run.state !== 'paused' || run.reasonCode !== 'budget') return
  const [row] = await tx.run(readRun, { run: run.id })
  const resumed = row ? resume(row) : null
  if (!resumed?.ok) return
  const interrupt = option === onlyThisPhase ? 'hold' : null
  const { was, now, events } = resumed.value
  // The request itself is being decided here, and is not withdrawn.
  await applyLocked(tx, transition(was, { now: { ...now, interrupt }, events }))
}

async function raise(tx: Executor, run: Run, { micros = 0, tokens }: GateSubject) {
  const [ledger] = await tx.run(readBudget, { run: run.id })
  // A run that has run out of tokens gets more of them with more money, in the proportion of its caps.
  const share = ledger && ledger.capMicros > 0 ? Math.round((ledger.capTokens * micros) / ledger.capMicros) : 0
  await tx.run(raiseBudget, { run: run.id, micros, tokens: tokens ?? share })
  return { kind: 'budget_raised', payload: { micros, tokens: tokens ?? share } } as const
}
