import { expect, test } from 'vitest'
import type { TakenBack } from '../core/model/undo.ts'
import { sayTakenBack } from './say-undo.ts'

const line = (what: string, outcome: TakenBack['outcome'], says = 'so'): TakenBack => ({ what, outcome, says })

test.each<[string, readonly TakenBack[], readonly string[]]>([
  ['says nothing of what took nothing back', [], []],
  [
    'says what failed first',
    [line('tag a', 'undone'), line('check b', 'irreversible'), line('branch c', 'failed', 'it moved')],
    ['✗ failed: branch c (it moved)', '✓ undone: tag a (so)', '– irreversible: check b (so)'],
  ],
  [
    'says where the rest is',
    Array.from({ length: 8 }, (_, at) => line(`tag ${at}`, 'was gone')),
    [...Array.from({ length: 6 }, (_, at) => `✓ was gone: tag ${at} (so)`), 'and 2 more: /logs r7k2'],
  ],
])('a card %s', (_, taken, lines) => {
  expect(sayTakenBack(taken, 'r7k2')).toEqual(lines)
})
