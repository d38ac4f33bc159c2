import { execute } from '../../core/commands/execute.ts'
import { signIn } from '../../core/commands/sign-in.ts'
import { handleOf } from '../../core/model/handle.ts'
import type { Bed } from '../bed.ts'
import { numberFrom, open, peopleOf, until, withClient } from '../bed.ts'
import { Foreman, machineNow, msOf } from '../foreman.ts'
import { bareCommit, latencyFigures } from '../latency.ts'
import { gated } from '../recipes.ts'
import type { Figure } from '../report.ts'
import { median } from '../report.ts'

/** From a person's approval, its whole transaction included, in one process to the next step's first line in another, one at a time. */
export async function approve(bed: Bed): Promise<Figure[]> {
  const samples = bed.quick ? 200 : 1_000
  const address = await bed.make('approve')
  const db = open(address)
  const recipe = gated(() => undefined)
  const recipes = () => recipe
  let committedAt = 0
  const poke = (): void => {
    committedAt = machineNow()
  }
  const people = await peopleOf(address)
  const webhooks = { secretOf: String, allowedHosts: null }
  const desk = { db, people, recipes, pipelines: { gated: recipe }, webhooks, mail: null, poke }
  const foreman = await Foreman.hire({ address, recipe: 'gated', ledgerFile: '', settings: {} })
  try {
    return await withClient(address, async (client) => {
      await foreman.start(samples)
      await until('the parking of runs', 60_000, async () => (await numberFrom(client, parkedSql)) === samples)
      const actor = await signIn(desk, { surface: 'terminal', account: 'bench', label: 'bench' })
      const commit = await bareCommit(client)
      const { rows } = await client.query<{ id: string; number: string }>(
        'select id, number from app.runs order by number',
      )
      const times: number[] = []
      const commits: number[] = []
      const afterCommit: number[] = []
      for (const { id, number } of rows) {
        const reported = foreman.steps.length
        const startedAt = machineNow()
        const run = handleOf(Number(number))
        const reply = await execute(desk, actor, { kind: 'approve', run, gate: null, sha256: null }, `approve ${id}`)
        if (!reply.ok) throw new Error(`an approval was refused: ${JSON.stringify(reply)}`)
        await until('the step behind the gate', 10_000, () => foreman.steps.length > reported)
        const begun = foreman.steps.find((step) => step.run === id && step.step === 'after')
        if (!begun) throw new Error('another step than the one behind the gate began')
        times.push(msOf(begun) - startedAt)
        afterCommit.push(msOf(begun) - committedAt)
        // One at a time: what is left of this run would be somebody else's work in the next sample.
        await until('the end of the run', 10_000, async () => (await numberFrom(client, endedSql)) === times.length)
        commits.push(await commit())
      }
      return [
        ...latencyFigures('approve to next step', times, commits),
        { name: 'of which after the commit of the approval, p50', value: median(afterCommit), unit: 'ms' },
      ]
    })
  } finally {
    await foreman.dismiss()
    await db.close()
  }
}

const parkedSql = "select count(*) from app.runs where state = 'waiting' and waiting_for = 'gate'"

const endedSql = "select count(*) from app.runs where state = 'succeeded'"
