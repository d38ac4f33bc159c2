import { expect, test } from 'vitest'
import type { Held } from '../adapters/bubblewrap/group.ts'
import { sayHeld } from './tools.ts'

test.each<[string, readonly Held[], boolean, 'pass' | 'warn', RegExp]>([
  ['the kernel', ['processes', 'memory'], true, 'pass', /a control group holds its memory and processes$/],
  [
    'a kernel without a count of memory',
    ['processes'],
    true,
    'pass',
    /a control group holds its processes and a watch/,
  ],
  [
    'a watch, and the limit of an account',
    [],
    false,
    'pass',
    /a watch holds its memory, the account’s limit its processes/,
  ],
  ['a watch alone', [], true, 'warn', /nothing but a watch.*docs\/sandbox\.md.*an account of its own/],
])('doctor says when a sandbox is held by %s', (_, held, isRoot, status, says) => {
  const check = sayHeld(new Set(held), isRoot)
  expect(check).toMatchObject({ status, message: expect.stringMatching(says) })
})
