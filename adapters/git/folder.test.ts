import { createHash } from 'node:crypto'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Snapshot, SourceControl } from '../../core/ports.ts'
import { enterRoom, faultOf, git, makeRepository, optionsIn, type Room } from './source-control.fixtures.ts'
import { createGitSourceControl } from './source-control.ts'
import { ownName } from '../process/leftovers.ts'

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

const take = (address = repository, name: string | null = null) => source.snapshot({ address, branch: name }, signal)
const refusal = async (address: string) => (await faultOf(take(address))).message

const commit = (snapshot: Snapshot, key = 'k') =>
  source.commit(
    {
      snapshot,
      branch,
      files: [{ path: 'docs/a.md', bytes: Buffer.from('a') }],
      message: 'm',
      at: '2026-01-01T00:00:00Z',
      key,
    },
    signal,
  )

/** Every file below a folder with its content and times, but for what a commit on our branch must add. */
async function fingerprint(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const names = (await readdir(folder, { recursive: true })).toSorted()
  for (const name of names.filter(
    (one) => !/^\.git\/(?:objects|(?:logs\/)?refs\/heads(?:\/quantapilot|$))/.test(one),
  )) {
    const found = await lstat(join(folder, name))
    // A folder's own time changes when our branch is added below it.
    hash.update(`${name} ${found.mode} ${found.isDirectory() ? '' : found.mtimeMs}\n`)
    if (found.isFile()) hash.update(await readFile(join(folder, name)))
  }
  return hash.digest('hex')
}

describe("the operator's folder", () => {
  it('stays byte for byte as it is, index and work tree included, while a branch of ours is added', async () => {
    await writeFile(join(repository, 'README.md'), 'being written')
    await writeFile(join(repository, 'staged.md'), 'staged')
    await git(repository, ['add', 'staged.md'])
    const before = await fingerprint(repository)
    const snapshot = await take()
    await commit(snapshot)
    expect(await fingerprint(repository)).toBe(before)
    expect(await git(repository, ['rev-parse', `${branch}^`])).toBe(snapshot.commit)
    await source.removeBranch(snapshot, branch, signal)
    expect(await fingerprint(repository)).toBe(before)
  })

  it('may be named by a symbolic link', async () => {
    await symlink(repository, join(room.path, 'link'))
    expect(await take(join(room.path, 'link'))).toMatchObject({ name: 'link', branch: 'main' })
  })

  it('may have spaces and quotes in its path', async () => {
    const odd = await makeRepository(join(room.path, `my "shop" it's $HOME; ok`))
    expect(await commit(await take(odd))).toMatchObject({ created: true })
  })

  it('may be a linked work tree, whose own branch is then the default one', async () => {
    await git(repository, ['worktree', 'add', '-q', '../linked', 'dev'])
    const snapshot = await take(join(room.path, 'linked'))
    expect(snapshot).toMatchObject({ branch: 'dev', hasUncommittedChanges: false })
    await commit(snapshot)
    expect(await git(repository, ['rev-parse', `${branch}^`])).toBe(snapshot.commit)
  })

  it('may be bare, and named by a file:// address', async () => {
    await git(room.path, ['clone', '-q', '--bare', repository, 'bare shop.git'])
    const address = pathToFileURL(join(room.path, 'bare shop.git')).href
    const snapshot = await take(address)
    expect(snapshot).toMatchObject({ address, name: 'bare shop', branch: 'main', hasUncommittedChanges: false })
    const made = await commit(snapshot)
    expect(await commit(snapshot)).toEqual({ ...made, created: false })
  })

  it('may be a shallow clone', async () => {
    await git(room.path, ['clone', '-q', '--depth=1', `file://${repository}`, 'shallow'])
    const shallow = join(room.path, 'shallow')
    const snapshot = await take(shallow)
    const first = await commit(snapshot)
    expect(await commit(snapshot)).toEqual({ ...first, created: false })
    await commit(snapshot, 'k2')
    await git(shallow, ['commit', '-q', '--allow-empty', '-m', 'newer'])
    await commit(await take(shallow), 'k3')
    expect(await git(shallow, ['rev-list', '--count', `main..${branch}`])).toBe('3')
    expect(await git(shallow, ['fsck'])).toBe('')
  })

  it('may be in the middle of another git command', async () => {
    await writeFile(join(repository, '.git', 'index.lock'), '')
    expect(await commit(await take())).toMatchObject({ created: true })
  })

  describe.runIf(process.getuid?.() === 0)('of somebody else', () => {
    const nobody = 65534
    beforeEach(async () => {
      const names = await readdir(repository, { recursive: true })
      for (const name of ['', ...names]) await chown(join(repository, name), nobody, nobody)
    })

    it('is read and written to, and all that is added belongs to its owner', async () => {
      await chmod(room.path, 0o755)
      const snapshot = await take()
      expect(snapshot.hasUncommittedChanges).toBe(false)
      await commit(snapshot)
      expect(await commit(snapshot)).toMatchObject({ created: false })
      const names = await readdir(repository, { recursive: true })
      const owners = await Promise.all(names.map(async (name) => (await stat(join(repository, name))).uid))
      expect(new Set(owners)).toEqual(new Set([nobody]))
      expect(names).toContain(`.git/refs/heads/${branch}`)
    })

    it('says so when the owner cannot reach it', async () => {
      const fault = await faultOf(commit(await take()))
      expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      expect(fault.message).toContain(`The owner of ${repository} (user 65534) cannot reach it`)
    })
  })
})

describe('changes that are not committed', () => {
  const isDirty = async () => (await take()).hasUncommittedChanges

  it('are seen when a file differs, is new, gone, or staged', async () => {
    await writeFile(join(repository, 'new.md'), 'new')
    expect(await isDirty()).toBe(true)
    await git(repository, ['add', 'new.md'])
    expect(await isDirty()).toBe(true)
    await git(repository, ['reset', '-q', '--hard'])
    expect(await isDirty()).toBe(false)
    await rm(join(repository, 'README.md'))
    expect(await isDirty()).toBe(true)
  })

  it('are not seen in ignored files, or where only times or modes differ', async () => {
    await writeFile(join(repository, '.git', 'info', 'exclude'), 'build\n').catch(async () => {
      await mkdir(join(repository, '.git', 'info'))
      await writeFile(join(repository, '.git', 'info', 'exclude'), 'build\n')
    })
    await writeFile(join(repository, 'build'), 'x')
    await utimes(join(repository, 'README.md'), 1, 1)
    expect(await isDirty()).toBe(false)
  })

  it('are seen with a split index too', async () => {
    await git(repository, ['update-index', '--split-index'])
    expect(await isDirty()).toBe(false)
    await writeFile(join(repository, 'README.md'), 'other')
    expect(await isDirty()).toBe(true)
  })

  it('are not looked for inside submodules', async () => {
    const inner = await makeRepository(join(room.path, 'inner'))
    await git(repository, ['-c', 'protocol.file.allow=always', 'submodule', 'add', '-q', inner, 'sub'])
    await git(repository, ['commit', '-q', '-m', 'sub'])
    await writeFile(join(repository, 'sub', 'README.md'), 'changed')
    expect(await isDirty()).toBe(false)
  })
})

describe('a folder that cannot be used', () => {
  it('is told how to become a repository', async () => {
    await mkdir(join(room.path, 'plain'))
    const path = await realpath(join(room.path, 'plain'))
    expect(await refusal(path)).toBe(
      `${path} is not a git repository. To make it one: git init && git add . && git commit, in that folder.`,
    )
  })

  it('is told which repository it lies in', async () => {
    const root = await realpath(repository)
    expect(await refusal(join(repository, 'docs'))).toBe(
      `${join(root, 'docs')} lies in the repository ${root}: give that folder.`,
    )
  })

  it('is told that it is not there, or a file', async () => {
    expect(await refusal(join(room.path, 'nowhere'))).toBe(
      `There is no folder ${join(room.path, 'nowhere')}: check the path.`,
    )
    expect(await refusal(join(repository, 'README.md'))).toContain('is a file: give the folder')
  })

  it('is told to commit first when it is empty', async () => {
    const empty = join(room.path, 'empty')
    await git(room.path, ['init', '-q', 'empty'])
    expect(await refusal(empty)).toBe(`${empty} has no commits yet: commit a README.md first.`)
  })

  it('is told that SHA-256 object names are not supported', async () => {
    const modern = join(room.path, 'modern')
    await git(room.path, ['init', '-q', '--object-format=sha256', 'modern'])
    await git(modern, ['commit', '-q', '--allow-empty', '-m', 'x'])
    expect(await refusal(modern)).toContain('uses SHA-256 object names')
  })

  it('is asked for a branch when its HEAD is detached and nothing says which is the default', async () => {
    await git(repository, ['checkout', '-q', '--detach'])
    expect(await refusal(repository)).toBe(
      `HEAD of ${repository} is detached, so it has no default branch: name one of dev, main.`,
    )
    expect(await take(repository, 'dev')).toMatchObject({ branch: 'dev' })
  })

  it('is taken at the default branch of its origin when its HEAD is detached', async () => {
    await git(room.path, ['clone', '-q', repository, 'clone'])
    const clone = join(room.path, 'clone')
    await git(clone, ['checkout', '-q', '--detach'])
    expect(await take(clone)).toMatchObject({ branch: 'main', defaultBranch: 'main' })
  })

  it('is refused where folders are not allowed', async () => {
    source = createGitSourceControl({ ...optionsIn(room.path), allowFolders: false })
    expect(await refusal(repository)).toContain('Folders are not allowed here')
  })
})

describe('a folder that refuses the branch', () => {
  it('keeps it when it is checked out there', async () => {
    const snapshot = await take()
    await commit(snapshot)
    await git(repository, ['switch', '-q', branch])
    const fault = await faultOf(commit(snapshot, 'k2'))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain(`${branch} is checked out in`)
  })

  it('is told when a branch is named as the beginning of ours', async () => {
    await git(repository, ['branch', 'quantapilot', 'dev'])
    const fault = await faultOf(commit(await take()))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain('rename it')
  })

  it('is told which lock file a crashed git left', async () => {
    const snapshot = await take()
    await mkdir(join(repository, '.git', 'refs', 'heads', 'quantapilot', 'r1'), { recursive: true })
    await writeFile(join(repository, '.git', 'refs', 'heads', 'quantapilot', 'r1', 'docs.lock'), '')
    const fault = await faultOf(commit(snapshot))
    expect(fault).toMatchObject({ code: 'TOOL_FAILURE', retryable: true })
    expect(fault.message).toContain('docs.lock')
  })
})

describe('what is kept of a repository', () => {
  it('is one git directory per commit and no scratch file', async () => {
    const snapshot = await take()
    await commit(snapshot)
    await faultOf(take(repository, 'nope'))
    await source.removeBranch(snapshot, branch, signal)
    const state = join(room.path, 'state', 'git')
    const kept = (await readdir(state, { recursive: true })).filter((name) => name.endsWith('.git'))
    expect(kept).toEqual([expect.stringMatching(new RegExp(`^[0-9a-f]{16}/${snapshot.commit}\\.git$`))])
    expect((await readdir(state, { recursive: true })).filter((name) => name.endsWith('.lock'))).toEqual([])
  })

  it('serves a snapshot while the branch moves on', async () => {
    const snapshot = await take()
    await writeFile(join(repository, 'README.md'), 'newer')
    await git(repository, ['commit', '-q', '-am', 'newer'])
    expect(await source.read(snapshot, 'README.md', 100, signal)).toHaveLength(16)
    expect((await take()).commit).not.toBe(snapshot.commit)
  })

  it('goes when it was not used for a month', async () => {
    const snapshot = await take(repository, 'dev')
    const state = join(room.path, 'state', 'git')
    const [key = ''] = (await readdir(state)).filter((name) => name !== 'scratch')
    const old = new Date(Date.now() - 31 * 24 * 3_600_000)
    await utimes(join(state, key, `${snapshot.commit}.git`), old, old)
    const other = await take()
    expect(await readdir(join(state, key))).toEqual([`${other.commit}.git`])
    expect(await source.read(snapshot, 'README.md', 100, signal)).toHaveLength(7)
  })

  it('does not include what a killed process left behind: whoever works there next removes it, and nothing in use', async () => {
    const snapshot = await take()
    const scratch = join(room.path, 'state', 'git', 'scratch')
    const inUse = await ownName('git')
    // A process of the same number that began at another time is another one.
    const leftBehind = inUse.replace(/-(\d+)-\d*-/, '-$1-1-')
    for (const name of [inUse, leftBehind]) await mkdir(join(scratch, name))
    await commit(snapshot)
    expect(await readdir(scratch)).toEqual([inUse])
  })
})
