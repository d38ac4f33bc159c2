import { existsSync } from 'node:fs'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Snapshot, SourceControl } from '../../core/ports.ts'
import { runProcess } from '../process/run.ts'
import { addCommit, enterRoom, faultOf, git, makeRepository, optionsIn, type Room } from './source-control.fixtures.ts'
import { createGitSourceControl } from './source-control.ts'

const { signal } = new AbortController()
const branch = 'quantapilot/r1/docs'

let room: Room
let repository: string
let source: SourceControl

beforeEach(async () => {
  room = await enterRoom()
  repository = await makeRepository(join(room.path, 'shop'))
  source = createGitSourceControl(optionsIn(room.path))
})
afterEach(() => room.leave())

const take = () => source.snapshot({ address: repository, branch: null }, signal)

const commitTo = (snapshot: Snapshot, path: string) =>
  source.commit(
    {
      snapshot,
      branch,
      files: [{ path, bytes: Buffer.from('x') }],
      message: 'm',
      at: '2026-01-01T00:00:00Z',
      key: 'k',
    },
    signal,
  )

describe('a repository that would like to run its own programs', () => {
  let trap: string
  const sprung = () => existsSync(join(room.path, 'sprung'))

  beforeEach(async () => {
    trap = join(room.path, 'trap.sh')
    await writeFile(trap, `#!/bin/sh\ntouch '${join(room.path, 'sprung')}'\ncat\n`)
    await chmod(trap, 0o755)
  })

  const set = (key: string, value: string) => git(repository, ['config', key, value])

  const everySetting = async () => {
    const commands = ['core.fsmonitor', 'core.sshCommand', 'core.pager', 'core.editor', 'core.alternateRefsCommand']
    const more = [
      'diff.external',
      'gpg.program',
      'uploadpack.packObjectsHook',
      'filter.evil.clean',
      'filter.evil.smudge',
    ]
    for (const key of [...commands, ...more, 'filter.evil.process', 'credential.helper']) await set(key, trap)
    for (const key of ['commit.gpgSign', 'log.showSignature', 'filter.evil.required', 'gc.auto']) await set(key, '1')
    await set('receive.denyCurrentBranch', 'updateInstead')
    await set('receive.procReceiveRefs', 'refs')
  }

  const everyHook = async () => {
    const hooks = ['pre-receive', 'update', 'post-receive', 'post-update', 'proc-receive', 'reference-transaction']
    const more = [
      'push-to-checkout',
      'post-index-change',
      'fsmonitor-watchman',
      'pre-auto-gc',
      'post-checkout',
      'pre-push',
    ]
    await mkdir(join(repository, '.git', 'hooks'), { recursive: true })
    for (const name of [...hooks, ...more]) {
      await writeFile(join(repository, '.git', 'hooks', name), `#!/bin/sh\ntouch '${join(room.path, 'sprung')}'\n`)
      await chmod(join(repository, '.git', 'hooks', name), 0o755)
    }
  }

  it('springs its trap on plain git, so that the next tests mean something', async () => {
    await everyHook()
    await git(repository, ['branch', 'other'])
    expect(sprung()).toBe(true)
  })

  it('springs its filter on plain git as well', async () => {
    await set('filter.evil.clean', trap)
    await writeFile(join(repository, '.gitattributes'), '* filter=evil\n')
    await writeFile(join(repository, 'README.md'), 'changed')
    await git(repository, ['status'])
    expect(sprung()).toBe(true)
  })

  it('runs none of them when it is described, read, written to and cleaned up', async () => {
    await addCommit(repository, 'main', { '.gitattributes': '* filter=evil diff=evil merge=evil text eol=crlf\n' })
    await git(repository, ['reset', '-q', '--hard'])
    await everySetting()
    await everyHook()
    await writeFile(join(repository, 'README.md'), 'changed')
    const snapshot = await take()
    expect(snapshot.hasUncommittedChanges).toBe(true)
    await source.read(snapshot, 'README.md', 100, signal)
    await commitTo(snapshot, 'docs/a.md')
    expect(await commitTo(snapshot, 'docs/a.md')).toMatchObject({ created: false })
    await source.removeBranch(snapshot, branch, signal)
    expect(sprung()).toBe(false)
  })

  it.each(['README.md', 'docs'])('fetches nothing that a partial clone lacks, such as %s', async (path) => {
    const lost = await git(repository, ['rev-parse', `main:${path}`])
    await set('core.repositoryFormatVersion', '1')
    await set('extensions.partialClone', 'origin')
    await set('remote.origin.url', room.path)
    await set('remote.origin.promisor', 'true')
    await set('remote.origin.uploadpack', `touch '${join(room.path, 'sprung')}' #`)
    await rm(join(repository, '.git', 'objects', lost.slice(0, 2), lost.slice(2)))
    expect((await faultOf(take())).message).toContain('lacks objects of this branch')
    expect(sprung()).toBe(false)
    await git(repository, ['cat-file', '-p', lost]).catch(() => undefined)
    expect(sprung()).toBe(true)
  })
})

describe('what stands in the way inside a repository', () => {
  it('is not followed when the README is a symbolic link', async () => {
    await addCommit(repository, 'main', { '120000 README.md': '/etc/passwd' })
    const fault = await faultOf(source.read(await take(), 'README.md', 10_000, signal))
    expect(fault.code).toBe('VALIDATION_ERROR')
    expect(fault.message).toBe(
      'README.md is a symbolic link in the repository, which is not followed: commit it as a regular file.',
    )
  })

  it.each([
    ['a symbolic link', { '120000 docs': '../../etc' }],
    ['a file', { docs: 'not a folder' }],
    ['a submodule', { '160000 docs': '1'.repeat(40) }],
  ])('is not written through when docs is %s', async (what, files) => {
    await addCommit(repository, 'main', files)
    const fault = await faultOf(commitTo(await take(), 'docs/ANCHOR.md'))
    expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
    expect(fault.message).toContain(`docs/ANCHOR.md cannot be written: docs is ${what} in the repository`)
  })

  it('is not replaced when a document would take the place of a folder or a link', async () => {
    await addCommit(repository, 'main', { 'docs/ANCHOR.md/x': 'x', '120000 docs/link.md': 'x' })
    const snapshot = await take()
    expect((await faultOf(commitTo(snapshot, 'docs/ANCHOR.md'))).message).toContain('docs/ANCHOR.md is a folder')
    expect((await faultOf(commitTo(snapshot, 'docs/link.md'))).message).toContain('docs/link.md is a symbolic link')
  })

  it('is neither listed nor written over when a path disguises as .git', async () => {
    const blob = await git(repository, ['rev-parse', 'main:README.md'])
    const tree = await git(repository, ['mktree'], `100644 blob ${blob}\t.GIT\n100644 blob ${blob}\tREADME.md\n`)
    const commit = await git(repository, ['commit-tree', tree, '-m', 'x'])
    await git(repository, ['update-ref', 'refs/heads/main', commit])
    const snapshot = await take()
    expect(await source.list(snapshot, '', signal)).toEqual(['README.md'])
    const fault = await faultOf(commitTo(snapshot, 'docs/ANCHOR.md'))
    expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
    expect(fault.message).toContain('has a path that git refuses')
  })

  it('may be a branch with a name that a shell would obey', async () => {
    const odd = `a$(touch\${IFS}sprung);b|c&'"d`
    await git(repository, ['update-ref', `refs/heads/${odd}`, 'main'])
    const snapshot = await source.snapshot({ address: repository, branch: odd }, signal)
    expect(snapshot.branch).toBe(odd)
    await commitTo(snapshot, 'docs/a.md')
    expect(existsSync(join(room.path, 'sprung'))).toBe(false)
  })

  it('is refused when the branch is named with a leading dash or control characters', async () => {
    for (const name of ['--upload-pack=x', 'a b', 'a\u0000b', 'a..b', 'a.lock', ''])
      expect(await faultOf(source.snapshot({ address: repository, branch: name }, signal))).toMatchObject({
        code: 'VALIDATION_ERROR',
      })
  })

  it('is not waited for when a pipe stands where git keeps its own files', async () => {
    await rm(join(repository, '.git', 'index'))
    for (const name of ['index', 'shallow', 'packed-refs'])
      await runProcess({
        command: 'mkfifo',
        args: [name],
        cwd: join(repository, '.git'),
        timeoutMs: 5_000,
        maxOutputBytes: 1_000,
      })
    source = createGitSourceControl({ ...optionsIn(room.path), gitTimeoutMs: 1_000 })
    expect(await faultOf(take())).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    await rm(join(repository, '.git', 'packed-refs'))
    expect(await take()).toMatchObject({ hasUncommittedChanges: true })
  })

  it('does not lead out of the repository by a linked work tree path', async () => {
    await symlink('/etc', join(repository, 'docs', 'etc'))
    const snapshot = await take()
    expect(snapshot.hasUncommittedChanges).toBe(true)
    expect(await source.read(snapshot, 'docs/etc/passwd', 10_000, signal)).toBeNull()
  })
})
