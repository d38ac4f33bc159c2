import { counted } from '../../core/model/counted.ts'
import type { EarlierRun } from '../../core/pipeline.ts'
import type { Forecast } from '../../core/ports.ts'
import type { ReadOutput } from './shapes.ts'

type Outlook = ReadOutput['outlook']
type Estimate = Pick<Outlook, 'lowMicros' | 'likelyMicros' | 'highMicros' | 'seconds' | 'phases' | 'basis'>
type Range = Pick<Outlook, 'lowMicros' | 'likelyMicros' | 'highMicros'>

/** What is known before a run: what its author expects, the run's cap, and what comparable runs cost. */
export type Known = {
  readonly forecast: Forecast
  readonly capMicros: number
  /** Runs by the same author and agent. */
  readonly earlier: readonly EarlierRun[]
  readonly goesOnToCode: boolean
}

/** What the money of a step is for, by the id of its first round. */
export const phaseOf = (step: string): 'documents' | 'milestones' =>
  /^m-\d{3}-/.test(step) ? 'milestones' : 'documents'

/**
 * What a run will cost, by phase. From earlier runs where there are any: their middle, from half of the least to twice the
 * most. Else from what the author expects and, for code, from the cap: nobody knows the milestones before they are written.
 */
export function estimate({ forecast, capMicros, earlier, goesOnToCode }: Known): Estimate {
  const documents = fromHistory('documents', earlier, capMicros) ?? capped(forecast, capMicros)
  const left = capMicros - documents.lowMicros
  const unknown = { lowMicros: 0, likelyMicros: Math.round(left / 4), highMicros: left }
  const milestones = goesOnToCode ? (fromHistory('milestones', earlier, capMicros) ?? unknown) : null
  const phases = [
    { name: 'documents', ...documents },
    ...(milestones === null ? [] : [{ name: 'milestones', ...milestones }]),
  ]
  const sum = (pick: (range: Range) => number): number =>
    Math.min(
      capMicros,
      phases.reduce((total, phase) => total + pick(phase), 0),
    )
  const count = earlier.length
  return {
    lowMicros: sum(({ lowMicros }) => lowMicros),
    likelyMicros: sum(({ likelyMicros }) => likelyMicros),
    highMicros: sum(({ highMicros }) => highMicros),
    seconds:
      count === 0 ? forecast.seconds : Math.max(1, Math.round(middle(earlier.map(({ workMs }) => workMs)) / 1_000)),
    phases,
    basis: count === 0 ? basisOf(goesOnToCode) : counted(count, 'earlier run'),
  }
}

const basisOf = (goesOnToCode: boolean): string =>
  goesOnToCode ? 'the README’s length and the run’s cap' : 'the README’s length'

function fromHistory(phase: string, earlier: readonly EarlierRun[], capMicros: number): Range | null {
  const costs = earlier
    .map(({ spent }) =>
      Object.entries(spent).reduce((sum, [step, { micros }]) => sum + (phaseOf(step) === phase ? micros : 0), 0),
    )
    .toSorted((one, other) => one - other)
  const [least] = costs
  const most = costs.at(-1)
  if (least === undefined || most === undefined) return null
  const range = { lowMicros: Math.floor(least / 2), likelyMicros: Math.round(middle(costs)), highMicros: most * 2 }
  return capped(range, capMicros)
}

const capped = ({ lowMicros, likelyMicros, highMicros }: Range, capMicros: number): Range => ({
  lowMicros: Math.min(lowMicros, capMicros),
  likelyMicros: Math.min(likelyMicros, capMicros),
  highMicros: Math.min(highMicros, capMicros),
})

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const [low = 0, high = 0] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  return (low + high) / 2
}
