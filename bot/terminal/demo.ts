import { randomUUID } from 'node:crypto'
import type { GateCard, RunCard } from '../../core/model/card.ts'
import { isOver } from '../../core/model/run.ts'
import { sayDuration, sayGate, sayMoney, sayRefusal, sayReply } from '../phrase.ts'
import type { Ask } from '../surface.ts'
import { exitCodes, sayAt } from './command-line.ts'
import { follow } from './follow.ts'
import { question } from './question.ts'
import type { Screen } from './screen.ts'
import { harmless } from './screen.ts'

/** What the demonstration needs of the process around it. */
export type Demo = {
  readonly screen: Screen
  readonly ask: Ask
  /** The example repository, as a folder. */
  readonly repository: string
  /** Approve without asking: `--yes`, or nobody there to ask. */
  readonly isUnattended: boolean
  readonly signal: AbortSignal
  /** Whether the audit chain holds, for the last line. */
  readonly verifyAudit: () => Promise<boolean>
  /** Where the documents were put for reading. */
  readonly exportDocuments: (handle: string, branch: string) => Promise<string>
}

/** Takes the example from README to documents on a branch; answers with the exit code. */
export async function runDemo(demo: Demo): Promise<number> {
  const { screen, ask } = demo
  const unfinished = await unfinishedRun(ask)
  if (unfinished !== null) {
    screen.print(`Going on with run ${unfinished}, which was left before its end`)
    return toTheEnd(demo, unfinished)
  }
  const started = await ask(
    { kind: 'run', target: demo.repository, branch: null, pipeline: 'factory', dryRun: false, confirm: false },
    randomUUID(),
  )
  if (!started.ok) {
    screen.print(...sayRefusal(started.refusal).map(harmless))
    return exitCodes.refused
  }
  if (started.value.kind !== 'started') throw new TypeError('a run was asked for and something else came back')
  return toTheEnd(demo, started.value.card.handle)
}

/** A run that an earlier demonstration left, by Ctrl-C or by a plug that was pulled. */
async function unfinishedRun(ask: Ask): Promise<string | null> {
  const reply = await ask({ kind: 'runs', page: 1 }, '')
  const left = reply.ok && reply.value.kind === 'runs' ? reply.value.runs.find((run) => !isOver(run.state)) : undefined
  return left?.handle ?? null
}

async function toTheEnd(demo: Demo, handle: string): Promise<number> {
  for (;;) {
    const followed = await follow(demo.screen, demo.ask, handle, demo.signal)
    if (!followed.ok) return exitCodes.internal
    const card = followed.value
    const gate = card.gates.find((candidate) => candidate.verdict === null)
    if (card.state === 'waiting' && gate) {
      const isDecided = await decide(demo, card, gate)
      if (isDecided) continue
      demo.screen.print('', `Left waiting. Run the demo again to go on, or start over by removing .quantapilot/demo.`)
      return exitCodes.waits
    }
    if (isOver(card.state)) return finish(demo, card)
    demo.screen.print('', 'Stopped. Run the demo again to go on; nothing is lost.')
    return demo.signal.aborted ? exitCodes.stopped : exitCodes.paused
  }
}

/** Shows the gate and collects the decision; false when the person left without one. */
async function decide(demo: Demo, card: RunCard, gate: GateCard): Promise<boolean> {
  const { screen, ask } = demo
  screen.print('', ...sayGate(gate).map(harmless))
  const sha256 = gate.subject.artifact.sha256
  const about = { run: card.handle, gate: gate.name, sha256 } as const
  if (demo.isUnattended) {
    screen.print('  (nobody is asked here: actor demo approves in its own database)')
    return tell(demo, { kind: 'approve', ...about })
  }
  for (;;) {
    const answer = await question(demo, '[a]pprove  [r]eject  [c]hanges  [v]iew > ')
    switch (answer?.trim().toLowerCase()[0]) {
      case undefined:
        if (answer === null) return false
        break
      case 'a':
        return tell(demo, { kind: 'approve', ...about })
      case 'r': {
        const reason = await question(demo, 'Why? > ')
        if (reason) return tell(demo, { kind: 'reject', ...about, reason })
        break
      }
      case 'c': {
        const reason = await question(demo, 'What should change? > ')
        if (reason) return tell(demo, { kind: 'changes', ...about, reason })
        break
      }
      case 'v': {
        const file = await ask({ kind: 'artifacts', run: card.handle, name: gate.subject.artifact.name }, '')
        screen.print(...(file.ok ? sayAt(screen, file.value) : sayRefusal(file.refusal)).map(harmless))
        break
      }
      default:
        screen.print('  Type a, r, c or v.')
    }
  }
}

async function tell(demo: Demo, command: Parameters<Ask>[0]): Promise<boolean> {
  const reply = await demo.ask(command, randomUUID())
  demo.screen.print(...(reply.ok ? sayReply(reply.value) : sayRefusal(reply.refusal)).map(harmless))
  return reply.ok
}

async function finish(demo: Demo, card: RunCard): Promise<number> {
  const { screen, ask } = demo
  if (card.state !== 'succeeded') {
    screen.print(
      `✗ The run ${card.state === 'failed' ? 'failed' : `was ${card.state}`}: ${harmless(card.reason ?? 'no reason was kept')}`,
    )
    return exitCodes.notDone
  }
  const branch = `quantapilot/${card.handle}/docs`
  const artifacts = await ask({ kind: 'artifacts', run: card.handle, name: null }, '')
  const documents =
    artifacts.ok && artifacts.value.kind === 'artifacts'
      ? artifacts.value.artifacts.filter(({ name }) => name.startsWith('docs/'))
      : []
  const isAuditWhole = await demo.verifyAudit()
  const where = await demo.exportDocuments(card.handle, branch)
  screen.print(
    `✓ ${documents.length} documents, lint 0 errors`,
    `✓ branch ${branch} · main untouched`,
    `Done ${sayDuration(card.elapsedMs)} · ${sayMoney(card.money.spentMicros)} · ${isAuditWhole ? 'audit verified' : 'AUDIT BROKEN: run npm run qp -- doctor'}`,
    `Read  ${where}`,
    'Next  npm run qp -- run ../your-repo',
  )
  return isAuditWhole ? exitCodes.done : exitCodes.internal
}
