import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommitRequest, Snapshot, SourceControl } from '../../core/ports.ts'
import { addCommit, faultOf, git } from './source-control.fixtures.ts'

/** A repository made by `makeRepository`, one way to reach it, and the folder to look at it behind the adapter's back. */
export type Stage = {
  readonly source: SourceControl
  /** A second machine: the same repository, nothing kept from before. */
  readonly elsewhere: SourceControl
  readonly address: string
  readonly repository: string
  readonly end: () => Promise<void>
}

const { signal } = new AbortController()
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('utf8'))

const branch = 'quantapilot/r7k2/docs'

const requestOn = (snapshot: Snapshot, more: Partial<CommitRequest> = {}): CommitRequest => ({
  snapshot,
  branch,
  files: [{ path: 'docs/ANCHOR.md', bytes: Buffer.from('# Anchor\r\n') }],
  message: 'Documents\n\nWritten from README.md.',
  at: '2026-01-02T03:04:05.000Z',
  key: 'key-1',
  ...more,
})

/** What every way to reach a repository must do. */
export function sourceControlContract(way: string, prepare: () => Promise<Stage>): void {
  describe(`a repository reached by ${way}`, () => {
    let stage: Stage
    const take = (name: string | null = null) => stage.source.snapshot({ address: stage.address, branch: name }, signal)
    const look = (...args: string[]) => git(stage.repository, args)
    beforeEach(async () => {
      stage = await prepare()
    })
    afterEach(() => stage.end())

    it('is described at the head of its default branch', async () => {
      const snapshot = await take()
      const commit = await look('rev-parse', 'main')
      const expected = { name: 'shop', defaultBranch: 'main', branch: 'main', committedAt: '2023-11-14T22:13:20.000Z' }
      expect(snapshot).toEqual({ ...expected, address: stage.address, commit, hasUncommittedChanges: false })
    })

    it('is described at another branch when one is named', async () => {
      const snapshot = await take('dev')
      expect(snapshot).toMatchObject({ defaultBranch: 'main', branch: 'dev', commit: await look('rev-parse', 'dev') })
    })

    it('names the branches it has when the wanted one is missing', async () => {
      const fault = await faultOf(take('nope'))
      expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
      expect(fault.message).toBe(`There is no branch nope in ${stage.address}; it has: dev, main.`)
    })

    it('gives the exact bytes of its files, and null for what is not there', async () => {
      const snapshot = await take()
      const read = (path: string) => stage.source.read(snapshot, path, 1_000, signal)
      expect(text(await read('README.md'))).toBe('# Shop\r\n\r\nSells.')
      expect(await read('docs/missing.md')).toBeNull()
      expect(await read('README.md/below')).toBeNull()
      expect(await read('docs')).toBeNull()
    })

    it('checks the size before it reads', async () => {
      const snapshot = await take()
      const fault = await faultOf(stage.source.read(snapshot, 'README.md', 15, signal))
      expect(fault).toMatchObject({ code: 'VALIDATION_ERROR' })
      expect(fault.message).toBe('README.md has 16 bytes, more than the 15 that are read: make it shorter.')
      expect(await stage.source.read(snapshot, 'README.md', 16, signal)).toHaveLength(16)
    })

    it('has no commit any more whose history was rewritten, and says what to do', async () => {
      const gone = { ...(await take()), commit: '1'.repeat(40) }
      const fault = await faultOf(stage.source.read(gone, 'README.md', 1_000, signal))
      expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      expect(fault.message).toMatch(/was rewritten since this run began: start a new run\./)
    })

    it('lists the files of one folder', async () => {
      const snapshot = await take()
      expect(await stage.source.list(snapshot, '', signal)).toEqual(['README.md', 'run.sh'])
      expect(await stage.source.list(snapshot, 'docs', signal)).toEqual(['docs/notes.md'])
      expect(await stage.source.list(snapshot, 'nowhere', signal)).toEqual([])
      expect(await stage.source.list(snapshot, 'README.md', signal)).toEqual([])
    })

    it('gets one commit on a branch of ours, bytes and date as given, and nothing else changes', async () => {
      const before = await look('rev-parse', 'main', 'dev')
      const snapshot = await take()
      const { commit, created } = await stage.source.commit(requestOn(snapshot), signal)
      expect(created).toBe(true)
      expect(await look('rev-parse', branch)).toBe(commit)
      expect(await look('rev-parse', `${branch}^`)).toBe(snapshot.commit)
      expect(await look('cat-file', '-s', `${branch}:docs/ANCHOR.md`)).toBe('10')
      expect(await look('diff', '--name-status', 'main', branch)).toBe('A\tdocs/ANCHOR.md')
      expect(await look('log', '-1', '--format=%an <%ae> %at %ct|%B', branch)).toBe(
        'QuantaPilot <quantapilot@localhost> 1767323045 1767323045|Documents\n\nWritten from README.md.\n\nQuantaPilot-Key: key-1',
      )
      expect(await look('rev-parse', 'main', 'dev')).toBe(before)
      expect(await look('fsck', '--strict')).toBe('')
    })

    it('gets the commit once however often it is asked for, also from another machine', async () => {
      const snapshot = await take()
      const first = await stage.source.commit(requestOn(snapshot), signal)
      expect(await stage.source.commit(requestOn(snapshot), signal)).toEqual({ ...first, created: false })
      expect(await stage.elsewhere.commit(requestOn(snapshot), signal)).toEqual({ ...first, created: false })
      expect(await look('rev-list', '--count', `main..${branch}`)).toBe('1')
    })

    it('gets the next commit on top of the branch, and finds the earlier one below it', async () => {
      const snapshot = await take()
      const first = await stage.source.commit(requestOn(snapshot), signal)
      const files = [{ path: 'run.sh', bytes: Buffer.from('#!/bin/sh\nexit 0\n') }]
      const second = await stage.elsewhere.commit(requestOn(snapshot, { key: 'key-2', files }), signal)
      expect(await look('rev-parse', `${branch}^`, branch)).toBe(`${first.commit}\n${second.commit}`)
      expect(await look('ls-tree', branch, 'run.sh')).toMatch(/^100755 /)
      expect(await stage.source.commit(requestOn(snapshot), signal)).toEqual({ ...first, created: false })
    })

    it('still takes a commit made from its old head when the base branch has moved on', async () => {
      const snapshot = await take()
      await addCommit(stage.repository, 'main', { 'new.txt': 'new' })
      const { commit } = await stage.source.commit(requestOn(snapshot), signal)
      expect(await look('rev-parse', branch, `${branch}^`)).toBe(`${commit}\n${snapshot.commit}`)
    })

    it('does not take a commit that carries the key over other bytes for its own', async () => {
      const snapshot = await take()
      await stage.source.commit(requestOn(snapshot), signal)
      const files = [{ path: 'docs/ANCHOR.md', bytes: Buffer.from('other') }]
      const fault = await faultOf(stage.source.commit(requestOn(snapshot, { files }), signal))
      expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    })

    it('does not take a key in the middle of a message for the key', async () => {
      const snapshot = await take()
      const message = 'Documents\n\nQuantaPilot-Key: key-1'
      await stage.source.commit(requestOn(snapshot, { message, key: 'key-2' }), signal)
      expect(await stage.source.commit(requestOn(snapshot), signal)).toMatchObject({ created: true })
    })

    it('is read and written by many at once without harm', async () => {
      const snapshots = await Promise.all([take(), take(), take('dev'), take('dev')])
      const requests = snapshots.map((snapshot, n) =>
        requestOn(snapshot, { branch: `quantapilot/r${n}/docs`, key: `k${n}` }),
      )
      const made = await Promise.all(requests.map((request) => stage.source.commit(request, signal)))
      const heads = await Promise.all(requests.map((request) => look('rev-parse', request.branch)))
      expect(heads).toEqual(made.map(({ commit }) => commit))
      expect(await look('fsck', '--strict')).toBe('')
    })

    it('gets one of two commits made at the same moment; the other is told to try again, and then succeeds', async () => {
      const snapshot = await take()
      const requests = ['a', 'b'].map((key) => requestOn(snapshot, { key, message: key }))
      const settled = await Promise.allSettled(requests.map((request) => stage.source.commit(request, signal)))
      for (const failed of settled.filter((one) => one.status === 'rejected'))
        expect(failed.reason).toMatchObject({ code: 'TOOL_FAILURE', retryable: true })
      for (const request of requests) await stage.elsewhere.commit(request, signal)
      expect(await look('rev-list', '--count', `main..${branch}`)).toBe('2')
    })

    it('loses a branch of ours when asked, and no other', async () => {
      const snapshot = await take()
      await stage.source.commit(requestOn(snapshot), signal)
      await stage.source.removeBranch(snapshot, branch, signal)
      await stage.source.removeBranch(snapshot, branch, signal)
      expect(await look('for-each-ref', '--format=%(refname)', 'refs/heads')).toBe('refs/heads/dev\nrefs/heads/main')
      expect(await faultOf(stage.source.removeBranch(snapshot, 'main', signal))).toMatchObject({
        code: 'PRECONDITION_FAILED',
      })
    })

    it('never gets a commit on a branch that is not ours', async () => {
      const snapshot = await take()
      for (const name of ['main', 'dev', 'feature/x', 'quantapilot', 'Quantapilot/x']) {
        const fault = await faultOf(stage.source.commit(requestOn(snapshot, { branch: name }), signal))
        expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      }
      const bad = await faultOf(stage.source.commit(requestOn(snapshot, { branch: 'quantapilot/../main' }), signal))
      expect(bad.code).toBe('VALIDATION_ERROR')
    })

    it('never gets a path that leaves the tree or names git itself', async () => {
      const snapshot = await take()
      for (const path of [
        '../x',
        '/etc/passwd',
        '.git/config',
        'docs/.GIT/config',
        'git~1/x',
        'a//b',
        'a\u0000b',
        'e\u0301.md',
        '',
      ]) {
        const files = [{ path, bytes: Buffer.from('x') }]
        expect(await faultOf(stage.source.commit(requestOn(snapshot, { files }), signal))).toMatchObject({
          code: 'VALIDATION_ERROR',
        })
        expect(await faultOf(stage.source.read(snapshot, path, 10, signal))).toMatchObject({ code: 'VALIDATION_ERROR' })
      }
    })

    it('stops at once when it is called off', async () => {
      const snapshot = await take()
      const off = AbortSignal.abort(new Error('called off'))
      await expect(stage.source.snapshot({ address: stage.address, branch: null }, off)).rejects.toThrow('called off')
      await expect(stage.source.commit(requestOn(snapshot), off)).rejects.toThrow('called off')
    })
  })
}
