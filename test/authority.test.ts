import { describe, expect, test } from 'vitest'
import type { Command, CommandKind } from '../core/commands/command.ts'
import type { Actor } from '../core/model/actor.ts'
import type { Role } from '../core/model/plan.ts'
import { roles } from '../core/model/plan.ts'
import { administer } from './support/administer.ts'
import { openChats, Wall } from './support/chats.ts'
import type { TestHouse } from './support/house.ts'
import { openTestHouse } from './support/house.ts'

const run = 'r7k2'
const gate = { run, gate: null, sha256: null }

/** One request of each kind, on a run that is not there. A new kind of command does not compile until it is here. */
const requests: { readonly [Kind in CommandKind]: Extract<Command, { kind: Kind }> } = {
  run: { kind: 'run', target: '/nowhere', branch: null, pipeline: 'no such', dryRun: true, confirm: false },
  status: { kind: 'status', run, page: 1 },
  runs: { kind: 'runs', page: 1 },
  gates: { kind: 'gates' },
  approve: { kind: 'approve', ...gate },
  reject: { kind: 'reject', ...gate, reason: 'no' },
  changes: { kind: 'changes', ...gate, reason: 'more' },
  pause: { kind: 'pause', run },
  resume: { kind: 'resume', run },
  retry: { kind: 'retry', run },
  cancel: { kind: 'cancel', run },
  undo: { kind: 'undo', run, commit: null },
  freeze: { kind: 'freeze', run },
  delegate: { kind: 'delegate', who: 'nobody', hours: 1 },
  budget: { kind: 'budget', run, raiseMicros: null },
  logs: { kind: 'logs', run },
  calls: { kind: 'calls', run, page: 1 },
  artifacts: { kind: 'artifacts', run, name: null },
  diff: { kind: 'diff', run },
  webhook: { kind: 'webhook', act: 'list' },
  whoami: { kind: 'whoami' },
  link: { kind: 'link', code: 'WRONG' },
  actor: { kind: 'actor', verb: 'list', who: '', grant: [], revoke: [] },
  subscribe: { kind: 'subscribe', project: 'no such', level: 'all' },
  unsubscribe: { kind: 'unsubscribe', project: 'no such' },
  mute: { kind: 'mute', project: 'no such', hours: 1 },
  privacy: { kind: 'privacy', verb: 'export', who: null, confirm: false },
  key: { kind: 'key', verb: 'list', name: '', scopes: [] },
  mail: { kind: 'mail', act: 'confirm', code: 'WRONG' },
  quiet: { kind: 'quiet', from: null, to: null, zone: 'UTC' },
}

const [v, o, a, m, u, d] = ['viewer', 'operator', 'approver', 'admin', 'auditor', 'data_steward'] as const

/** Who may ask for what, as the product promises it: written here a second time, so that neither list can err alone. */
const promised: Readonly<Record<CommandKind, readonly (Role | 'stranger')[]>> = {
  run: [o, m],
  status: [v, o, a, m, u],
  runs: [v, o, a, m, u],
  gates: [v, o, a, m, u],
  approve: [o, a, m],
  reject: [o, a, m],
  changes: [o, a, m],
  pause: [o, m],
  resume: [o, m],
  retry: [o, m],
  cancel: [o, m],
  undo: [o, m],
  freeze: [o, a, m],
  delegate: [o, a],
  budget: [v, o, a, m, u],
  logs: [v, o, a, m, u],
  calls: [v, o, a, m, u],
  artifacts: [v, o, a, m, u],
  diff: [v, o, a, m, u],
  webhook: [m],
  whoami: ['stranger', v, o, a, m, u, d],
  link: ['stranger', v, o, a, m, u, d],
  actor: [m],
  subscribe: [v, o, a, m, u],
  unsubscribe: [v, o, a, m, u],
  mute: [v, o, a, m, u],
  quiet: [v, o, a, m, u],
  mail: [v, o, a, m, u],
  key: [m],
  privacy: ['stranger', v, o, a, m, u, d],
}

const kinds = Object.keys(requests) as readonly CommandKind[]
const holders = ['stranger', ...roles] as const
const surfaces = ['terminal', 'telegram', 'slack', 'http'] as const

describe('who may ask for what, on every surface', () => {
  test.each(surfaces)('%s', async (surface) => {
    const house = await openTestHouse()
    const cells: string[] = []
    let denials = 0
    const denied = new Set<CommandKind>()
    for (const kind of kinds) {
      for (const holder of holders) {
        const actor: Actor = { ...house.actor, surface, at: null, roles: holder === 'stranger' ? [] : [holder] }
        const answer = await house.ask(requests[kind], actor)
        const isDenied = !answer.ok && answer.refusal.code === 'not_allowed'
        if (isDenied) denials++
        if (isDenied) denied.add(kind)
        if (isDenied === promised[kind].includes(holder))
          cells.push(`${holder} ${isDenied ? 'may not' : 'may'} ${kind}`)
      }
    }
    expect(cells).toEqual([])
    expect(denials).toBeGreaterThan(kinds.length)
    // One person here, under changing roles: what they tried again within the hour is counted and no new entry.
    expect(await deniedAt(house, surface), 'each is on record').toBe(denied.size)
  })

  test('somebody unknown is nobody, whatever they press or type, and what they tried is audited', async () => {
    const house = await openTestHouse()
    const chats = openChats(house, [new Wall('telegram')])
    for (const kind of kinds) {
      const answer = await chats.reception.ask(chats.caller('telegram', 'stranger'), requests[kind])
      const isDenied = !answer.ok && answer.refusal.code === 'not_allowed'
      expect(isDenied, kind).toBe(!promised[kind].includes('stranger'))
    }
    const isClosed = (kind: CommandKind): boolean => !promised[kind].includes('stranger')
    expect(await deniedAt(house, 'telegram')).toBe(kinds.filter(isClosed).length)
  })
})

async function deniedAt({ database }: TestHouse, surface: string): Promise<unknown> {
  const [row] = await administer(
    database.connection,
    `select count(*)::integer as denials from audit.entries where action = 'access.deny' and target = 'surface:${surface}'`,
  )
  return row?.['denials']
}
