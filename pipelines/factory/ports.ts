import type { Author, CodeHost, SourceControl } from '../../core/ports.ts'
import type { Workshop } from './milestones/shapes.ts'
import type { ServerPolicy } from './settings/settings.ts'

/** What the factory works with. */
export type FactoryPorts = {
  readonly source: SourceControl
  readonly author: Author
  /** Names of the models that the server has, `openai/gpt-5.5`; none where only the built-in author writes. */
  readonly models: readonly string[]
  /** Null: branches are all there is. */
  readonly codeHost: CodeHost | null
  /** Null: no agent writes code, and runs end after the documents. */
  readonly workshop: Workshop | null
  /** What no project can loosen; null: projects decide for themselves. */
  readonly serverPolicy: ServerPolicy | null
}

/** A run's cap where quantapilot.yml names none. */
export const runCap = { micros: 10_000_000, tokens: 2_000_000 } as const
