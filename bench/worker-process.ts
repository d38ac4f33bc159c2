// A worker in a process of its own, told over IPC what to run and reporting each step as its body begins.
import type { EngineSettings } from '../core/engine/settings.ts'
import type { Pipeline } from '../core/pipeline.ts'
import type { Address } from './bed.ts'
import { open } from './bed.ts'
import { workerOn } from './crew.ts'
import type { OnStep } from './recipes.ts'
import { draft, gated, ledger, trivial } from './recipes.ts'

/** What the process is started with. */
export type Order = {
  readonly address: Address
  readonly recipe: 'trivial' | 'gated' | 'ledger'
  readonly ledgerFile: string
  readonly settings: Partial<EngineSettings>
}

export type ToWorker =
  | ({ readonly kind: 'begin' } & Order)
  | { readonly kind: 'start'; readonly count: number }
  | { readonly kind: 'usage' }
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'started' }
  /** `atNs` is the machine's monotonic clock, the same for all processes. */
  | { readonly kind: 'step'; readonly run: string; readonly step: string; readonly atNs: string }
  | { readonly kind: 'usage'; readonly cpuMs: number; readonly rssBytes: number; readonly atNs: string }

const say = (message: FromWorker): void => {
  process.send?.(message)
}

const now = (): string => String(process.hrtime.bigint())

const onStep: OnStep = (ctx) => say({ kind: 'step', run: ctx.runId, step: ctx.stepId, atNs: now() })

function recipeOf({ recipe, ledgerFile }: Order): Pipeline {
  switch (recipe) {
    case 'trivial':
      return trivial(1, onStep)
    case 'gated':
      return gated(onStep)
    case 'ledger':
      return ledger(ledgerFile, onStep)
  }
}

async function begin(order: Order): Promise<void> {
  const recipe = recipeOf(order)
  const db = open(order.address)
  const worker = workerOn(db, recipe, order.settings)
  await worker.begin()
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'usage') reportUsage()
    if (message.kind === 'stop')
      void worker
        .stop()
        .then(() => db.close())
        .then(() => process.exit(0))
    if (message.kind !== 'start') return
    const starts = Array.from({ length: message.count }, () => worker.start(draft(recipe)))
    void Promise.all(starts).then(() => say({ kind: 'started' }))
  })
  say({ kind: 'ready' })
}

function reportUsage(): void {
  const { user, system } = process.cpuUsage()
  say({ kind: 'usage', cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage().rss, atNs: now() })
}

process.once('message', (message: ToWorker) => {
  if (message.kind === 'begin') void begin(message)
})
// Without its parent there is nobody to work for.
process.on('disconnect', () => process.exit(0))
