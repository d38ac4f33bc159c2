import { expect, test } from 'vitest'
import { dieAt, points } from './kills.ts'

test.each(['bot', 'worker', 'cron'] as const)(
  'a %s that is killed at any of its crash points loses nothing and repeats nothing',
  async (role) => {
    const chosen = points.filter((point) => point.role === role)
    expect(await dieAt(chosen)).toEqual(chosen.map(({ name }) => name))
  },
)
