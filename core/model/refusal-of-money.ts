import type { Amount } from './amount.ts'
import { dollars } from './amount.ts'

/** Where money was refused, and what is left there. */
export type MoneyRefusal = {
  readonly level: 'run' | 'step' | 'task' | 'project-day' | 'actor-day' | 'instance-day' | 'hour' | 'minute'
  readonly capMicros: number | null
  readonly capTokens: number | null
  readonly leftMicros: number | null
  readonly leftTokens: number | null
}

const whose: Readonly<Record<MoneyRefusal['level'], string>> = {
  run: 'the run’s budget',
  step: 'what this step may use',
  task: 'what this milestone may use',
  'project-day': 'what the project may use in a day',
  'actor-day': 'what one person’s runs may use in a day',
  'instance-day': 'what this server may use in a day',
  hour: 'what this server may use in an hour',
  minute: 'what this server may use in a minute',
}

/** What can be done about it; a part of time ends by itself. */
const wayOn: Readonly<Record<MoneyRefusal['level'], string>> = {
  run: 'Decide about more at the gate budget, or stop with /cancel.',
  step: 'Raise steps.tokens_budget in quantapilot.yml and start a new run, or stop with /cancel.',
  task: 'Stop with /cancel, or start a run of its own for the rest.',
  'project-day': '/resume after the day has ended, or stop with /cancel.',
  'actor-day': '/resume after the day has ended, or stop with /cancel.',
  'instance-day': '/resume after the day has ended, or have the operator raise QP_DAY_USD, or stop with /cancel.',
  hour: 'The run goes on when the hour is over.',
  minute: 'The run goes on when the minute is over.',
}

const raiseCap = 'Raise that cap, or stop with /cancel.'

/** What helps a run that was refused money: to ask for more of it, to wait, another cap, or nothing but its end. */
export type WayOn = 'ask' | 'wait' | 'raise' | 'stop'

/** What helps, by the sentence of the refusal; where it says nothing of that, more can be asked for. */
export function wayOnAfter(refusal: string): WayOn {
  const ends = (...levels: readonly MoneyRefusal['level'][]) => levels.some((level) => refusal.endsWith(wayOn[level]))
  if (ends('project-day', 'actor-day', 'instance-day')) return 'wait'
  if (ends('step', 'task')) return 'stop'
  return refusal.endsWith(raiseCap) ? 'raise' : 'ask'
}

/** A call that is refused, in a sentence, and what to do; `everFits`: it would fit an empty budget. */
export function sayRefusal(asked: Amount, refusal: MoneyRefusal, everFits: boolean): string {
  const { level, leftMicros, leftTokens } = refusal
  const left = [
    ...(leftMicros === null ? [] : [dollars(leftMicros)]),
    ...(leftTokens === null ? [] : [`${leftTokens.toLocaleString('en-US')} tokens`]),
  ].join(' and ')
  const cost = `The next call may cost up to ${dollars(asked.micros)} and ${asked.tokens.toLocaleString('en-US')} tokens`
  if (everFits) return `${cost}, and ${whose[level]} has ${left} left. ${wayOn[level]}`
  return `${cost}, more than ${whose[level]} ever holds. ${level === 'run' ? wayOn.run : raiseCap}`
}

/** A call that waits for a yes because it is dear by itself, in a sentence. */
export const sayConsentNeeded = (asked: Amount, costlyMicros: number): string =>
  `The next call may cost up to ${dollars(asked.micros)}, and calls above ${dollars(costlyMicros)} need a yes first (limits.costly_prompt_usd in quantapilot.yml).`
