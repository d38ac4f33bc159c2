import { test } from 'vitest'
import { holdAgainstPostgres } from './sequences.ts'

test('the engine on Postgres does what the model says, over twenty thousand sequences', async () => {
  await holdAgainstPostgres(20_000)
}, 3_600_000)
