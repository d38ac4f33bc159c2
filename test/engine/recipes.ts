/** The pipelines of the model test, as plain descriptions: the model reads them as they are, the real side builds pipelines of them. */

export type Verdict = 'good' | 'bad'

type When = { readonly step: string; readonly verdict: string }

export type StepOf = {
  readonly type: 'step'
  readonly id: string
  /** Failed tries of one step until its run fails. */
  readonly tries: 5 | 3 | 1
  readonly onPause: 'finish' | 'abort'
  readonly when?: When
}

export type GateOf = {
  readonly type: 'gate'
  readonly id: string
  readonly quorum: number
  readonly selfApproval: boolean
  readonly expiresAfterMs: number | null
  readonly when?: When
}

export type Item = StepOf | GateOf

export type Recipe = {
  readonly items: readonly Item[]
  readonly cleanUp: StepOf | null
  readonly deadlineMs: number | null
}

const step = (id: string, tries: 5 | 3 | 1, onPause: 'finish' | 'abort', when?: When): StepOf => ({
  type: 'step',
  id,
  tries,
  onPause,
  ...(when ? { when } : {}),
})

const tidy = step('tidy', 3, 'finish')

export const recipes = {
  plain: { items: [step('first', 3, 'abort'), step('second', 1, 'finish')], cleanUp: null, deadlineMs: null },
  gated: {
    items: [
      step('draft', 3, 'finish'),
      { type: 'gate', id: 'sign', quorum: 1, selfApproval: true, expiresAfterMs: 60_000 },
      step('publish', 5, 'abort'),
    ],
    cleanUp: tidy,
    deadlineMs: 70_000,
  },
  strict: {
    items: [
      step('draft', 1, 'abort'),
      { type: 'gate', id: 'sign', quorum: 2, selfApproval: false, expiresAfterMs: null },
    ],
    cleanUp: null,
    deadlineMs: null,
  },
  branch: {
    items: [
      step('look', 3, 'finish'),
      step('mend', 3, 'abort', { step: 'look', verdict: 'bad' }),
      {
        type: 'gate',
        id: 'sign',
        quorum: 1,
        selfApproval: false,
        expiresAfterMs: 60_000,
        when: { step: 'look', verdict: 'bad' },
      },
      step('cheer', 3, 'finish', { step: 'sign', verdict: 'approved' }),
    ],
    cleanUp: tidy,
    deadlineMs: null,
  },
} as const satisfies Readonly<Record<string, Recipe>>

export type RecipeName = keyof typeof recipes

/** Who takes part: the starter who may decide, two approvers, and one who may only look. */
export const people = ['anna', 'ben', 'cleo', 'dora'] as const

export type Person = (typeof people)[number]

/** A worker's lease, and how long a failed step waits for its next try. */
export const leaseMs = 30_000
export const retryAfterMs = 5_000
