import { expect, test } from 'vitest'
import { problemsOf } from './assert-server.ts'

const sound = { serverVersion: '15.4', fsync: 'on', fullPageWrites: 'on', synchronousCommit: 'on' }

test.each([
  [sound, []],
  [{ ...sound, synchronousCommit: 'remote_apply' }, []],
  [{ ...sound, serverVersion: '14.11' }, ['The database is PostgreSQL 14.11: use 15 or newer.']],
  [{ ...sound, serverVersion: '19beta1' }, []],
])('%j has the problems %j', (server, problems) => {
  expect(problemsOf(server, true)).toEqual(problems)
})

test('each setting that could lose a confirmed event is named with its cure', () => {
  const problems = problemsOf({ ...sound, fsync: 'off', fullPageWrites: 'off', synchronousCommit: 'off' }, true)
  expect(problems).toHaveLength(3)
  expect(problems[0]).toBe(
    'The database runs with fsync off, so a power cut can destroy the database: set fsync = on in postgresql.conf and reload it.',
  )
})

test('a test server may be fast instead of safe, but not old', () => {
  expect(problemsOf({ ...sound, fsync: 'off' }, false)).toEqual([])
  expect(problemsOf({ ...sound, serverVersion: '13.2' }, false)).toHaveLength(1)
})
