import { expect, test } from 'vitest'
import { publishOutput } from './shapes.ts'

test('a run that published before there were pull requests is summed up all the same', () => {
  const old = { branch: 'quantapilot/r1/docs', commit: 'a'.repeat(40), created: true }
  expect(publishOutput.parse(old)).toEqual({ ...old, base: null, pullRequest: null })
})
