import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Bed } from '../bed.ts'
import { numberFrom, until, withClient } from '../bed.ts'
import { Foreman, machineNow, msOf } from '../foreman.ts'
import type { Figure } from '../report.ts'
import { median, rounded } from '../report.ts'

const runs = 200
const stepsPerRun = 5
const times = { leaseMs: 3_000, beatMs: 1_000, reapMs: 1_000 }
const allowedMs = times.leaseMs + times.reapMs + 2_000

/** kill -9 of a worker with 200 runs aboard, while another one is up. */
export async function kill(bed: Bed): Promise<Figure[]> {
  const address = await bed.make('kill')
  const ledgerFile = join(bed.dir, 'ledger')
  const order = { address, recipe: 'ledger', ledgerFile, settings: times } as const
  const [victim, heir] = await Promise.all([Foreman.hire(order), Foreman.hire(order)])
  try {
    await victim.start(runs)
    await delay(1_500)
    const killedAt = machineNow()
    await victim.kill()
    return await withClient(address, async (client) => {
      const orphans = await orphansOf(client)
      const committed = new Set(await attempts(client))
      await until('the end of all runs', 60_000, async () => (await numberFrom(client, openSql)) === 0)
      return figures(client, { heir, orphans, committed, killedAt, ledgerFile })
    })
  } finally {
    await victim.kill()
    await heir.dismiss()
  }
}

const openSql = "select count(*) from app.runs where state <> 'succeeded'"

async function orphansOf(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>("select id from app.runs where state = 'running'")
  return rows.map((row) => row.id)
}

/** `run step` of each settled try. */
async function attempts(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ try: string }>(
    "select run_id || ' ' || step_id as try from app.attempts where outcome = 'done'",
  )
  return rows.map((row) => row.try)
}

type Evidence = {
  readonly heir: Foreman
  readonly orphans: readonly string[]
  readonly committed: ReadonlySet<string>
  readonly killedAt: number
  readonly ledgerFile: string
}

async function figures(client: pg.Client, evidence: Evidence): Promise<Figure[]> {
  const { heir, orphans, committed, killedAt, ledgerFile } = evidence
  const firstStep = new Map<string, number>()
  for (const step of heir.steps) if (!firstStep.has(step.run)) firstStep.set(step.run, msOf(step) - killedAt)
  const waits = orphans.map((run) => firstStep.get(run) ?? Infinity)
  const repeated = heir.steps.filter((step) => committed.has(`${step.run} ${step.step}`)).length
  const done = await attempts(client)
  const lines = readFileSync(ledgerFile, 'utf8').trimEnd().split('\n')
  const wanted = runs * stepsPerRun
  const exactly = (name: string, value: number, note: string): Figure => ({
    name,
    value,
    unit: '',
    bound: { atMost: 0 },
    note,
  })
  return [
    {
      name: 'kill -9: last orphan restarted after',
      value: Math.max(...waits) / 1000,
      unit: 's',
      bound: { atMost: allowedMs / 1000 },
      note: `${orphans.length} orphans, median ${rounded(median(waits) / 1000)} s`,
    },
    exactly('kill -9: committed steps run again', repeated, `${committed.size} were committed before`),
    exactly(
      'kill -9: steps committed twice or never',
      wanted - new Set(done).size + (done.length - new Set(done).size),
      `of ${wanted}`,
    ),
    exactly(
      'kill -9: effects made twice or never',
      wanted - new Set(lines).size + (lines.length - new Set(lines).size),
      `of ${wanted}`,
    ),
  ]
}
