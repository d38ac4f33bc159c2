/** A level as a reservation is held to it. `about` names the thing, `period` which part of time; null caps nothing. */
export type Level = {
  readonly level: 'step' | 'task' | 'project-day' | 'actor-day' | 'instance-day' | 'hour' | 'minute'
  readonly about: string
  readonly period: 'day' | 'hour' | 'minute' | null
  /** IANA; where days begin. */
  readonly zone: string
  readonly capMicros: number | null
  readonly capTokens: number | null
}

/** Of every process the same: whoever locks more than one row does so in this order, a run's own budget before all. */
export const lockOrder: readonly Level['level'][] = [
  'step',
  'task',
  'project-day',
  'actor-day',
  'instance-day',
  'hour',
  'minute',
]

/** What one call asks for; it names a level once. */
export type Ask = {
  readonly run: string
  readonly fence: number
  readonly id: string
  readonly step: string
  readonly purpose: string
  readonly micros: number
  readonly tokens: number
  readonly levels: readonly Level[]
}

/** What a call really used, by its reservation. */
export type Use = { readonly run: string; readonly id: string; readonly micros: number; readonly tokens: number }
