import { expect, test } from 'vitest'
import { explain } from './explain.ts'
import { findUser } from './owner.ts'
import { parsePostmaster } from './postmaster.ts'
import { parseStat } from '../process/process-table.ts'

test.each([
  ['', null],
  ['412\n/d\n1700000000\n', 'starting'],
  ['412\n/d\n1700000000\n5432\n.\n\n  1234 5\nstarting\n', 'starting'],
  ['412\n/d\n1700000000\n5432\n.\n\n  1234 5\nready   \n', 'ready'],
  ['412\n/d\n1700000000\n5432\n.\n\n  1234 5\nstopping\n', 'stopping'],
])('a server whose file says %j is %s', (text, status) => {
  expect(parsePostmaster(text, '/d')?.status ?? null).toBe(status)
})

test('the socket is in the data directory or where the file says', () => {
  expect(parsePostmaster('1\n/d\n1\n5432\n.\n\n1 2\nready\n', '/d')?.host).toBe('/d')
  expect(parsePostmaster('1\n/d\n1\n5432\n/tmp/qp-1\n\n1 2\nready\n', '/d')?.host).toBe('/tmp/qp-1')
})

test('a process is known by its name and start, whatever its name holds, and a zombie is none', () => {
  const rest = Array.from({ length: 30 }, (_, index) => index + 4).join(' ')
  expect(parseStat(`12 (a) b (c)) S ${rest}`)).toEqual({ name: 'a) b (c)', startedAt: '22' })
  expect(parseStat(`12 (postgres) Z ${rest}`)).toBeNull()
})

test('the server is run by a user that exists, never by root', () => {
  const users = 'root:x:0:0::/root:/bin/sh\nnobody:*:-2:-2::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n'
  expect(findUser(users, 'postgres')).toEqual({ uid: 101, gid: 104 })
  expect(findUser(users, 'nobody')).toEqual({ uid: 4294967294, gid: 4294967294 })
  expect(findUser(users, 'root')).toBeNull()
  expect(findUser(users, 'nobod')).toBeNull()
})

test.each([
  ['initdb: error: could not write file: No space left on device', 'The disk is full'],
  ['2026 FATAL:  could not map anonymous shared memory: Cannot allocate memory', 'the memory it needs'],
  ['initdb: error: could not create directory "/x": Permission denied', 'set QP_STATE_DIR'],
  [
    '2026 UTC [1] LOG:  starting\n2026 UTC [1] FATAL:  bogus data in lock file\n',
    'start: bogus data in lock file. See',
  ],
  ['', 'it wrote no reason'],
])('when it wrote %j people read a sentence', (output, sentence) => {
  expect(explain(output, '/log').message).toContain(sentence)
})
