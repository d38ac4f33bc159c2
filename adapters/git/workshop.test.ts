import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Snapshot } from '../../core/ports.ts'
import type { Workspace } from '../../core/workshop.ts'
import { createGitSourceControl } from './source-control.ts'
import { addCommit, enterRoom, faultOf, git, makeRepository, optionsIn, type Room } from './source-control.fixtures.ts'
import { createTrunk } from './trunk.ts'
import { createWorkspaces } from './workspaces.ts'

const signal = new AbortController().signal
let room: Room
let shop: string

beforeEach(async () => {
  room = await enterRoom()
  shop = await makeRepository(join(room.path, 'shop'))
})
afterEach(() => room.leave())

const options = () => optionsIn(room.path)
const take = (address = shop): Promise<Snapshot> =>
  createGitSourceControl(options()).snapshot({ address, branch: null }, signal)
const workspaces = () => createWorkspaces(options())

async function open(snapshot: Snapshot, patch: Uint8Array | null = null): Promise<Workspace> {
  return await workspaces().open({ snapshot, name: 'r1-m-001', patch }, signal)
}

const write = (workspace: Workspace, path: string, text: string) => writeFile(join(workspace.folder, path), text)

describe('a workspace', () => {
  test('holds the bytes of the commit and nothing of git', async () => {
    await addCommit(shop, 'main', { '.gitattributes': '* text eol=crlf\n', 'a.txt': 'one\ntwo\n' })
    const { folder } = await open(await take())
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('one\ntwo\n')
    expect(execFileSync('ls', ['-A', folder]).toString().split('\n').filter(Boolean).toSorted()).toEqual([
      '.gitattributes',
      'README.md',
      'a.txt',
      'docs',
      'run.sh',
    ])
  })

  test('gives a patch that makes the same files in another workspace', async () => {
    const snapshot = await take()
    const first = await open(snapshot)
    await write(first, 'src.js', 'export const a = 1\n')
    await write(first, 'docs/notes.md', 'other notes\n')
    await writeFile(join(first.folder, 'logo.png'), Buffer.from([0, 1, 2, 255, 0]))
    await rm(join(first.folder, 'README.md'))
    const patch = await workspaces().patch(first, signal)
    expect(patch.files).toEqual([
      { path: 'README.md', change: 'removed', added: 0, removed: 3 },
      { path: 'docs/notes.md', change: 'modified', added: 1, removed: 1 },
      { path: 'logo.png', change: 'added', added: 0, removed: 0 },
      { path: 'src.js', change: 'added', added: 1, removed: 0 },
    ])
    const again = await open(snapshot, patch.bytes)
    expect(await readFile(join(again.folder, 'logo.png'))).toEqual(Buffer.from([0, 1, 2, 255, 0]))
    expect((await workspaces().patch(again, signal)).tree).toBe(patch.tree)
  })

  test('leaves out what the repository ignores, and does not let the agent hide or ignore anything', async () => {
    await addCommit(shop, 'main', { '.gitignore': 'node_modules/\n*.log\n' })
    const workspace = await open(await take())
    await mkdir(join(workspace.folder, 'node_modules/x'), { recursive: true })
    await write(workspace, 'node_modules/x/index.js', 'x')
    await write(workspace, 'debug.log', 'x')
    await write(workspace, 'kept.js', 'x')
    await write(workspace, 'docs/.gitignore', '*\n')
    const { files } = await workspaces().patch(workspace, signal)
    expect(files.map(({ path }) => path)).toEqual(['docs/.gitignore', 'kept.js'])
  })

  test('is its own, whoever else opens one under the same name, and goes without the other', async () => {
    const snapshot = await take()
    const [late, fresh] = [await open(snapshot), await open(snapshot)]
    await write(late, 'late.txt', 'of a worker that has lost its run')
    await workspaces().remove(late)
    await workspaces().remove(late)
    expect((await workspaces().patch(fresh, signal)).files).toEqual([])
    await workspaces().remove(fresh)
    expect(await readdir(join(options().stateDir, 'work'))).toEqual([])
  })

  test('goes however deep an agent has dug, and what lies so deep is refused', async () => {
    const workspace = await open(await take())
    const dig = 'import os\nfor _ in range(600):\n os.mkdir("a" * 20)\n os.chdir("a" * 20)\nopen("f", "w")'
    execFileSync('python3', ['-c', dig], { cwd: workspace.folder })
    const fault = await faultOf(workspaces().patch(workspace, signal))
    expect([fault.code, fault.message]).toEqual(['VALIDATION_ERROR', expect.stringContaining('folders deep')])
    await workspaces().remove(workspace)
    expect(await readdir(join(options().stateDir, 'work'))).toEqual([])
  })

  test('leaves out what lies at a path that is longer than any may be, and gives the rest', async () => {
    const workspace = await open(await take())
    const dig = 'import os\nfor _ in range(20):\n os.mkdir("a" * 240)\n os.chdir("a" * 240)\nopen("f", "w")'
    execFileSync('python3', ['-c', dig], { cwd: workspace.folder })
    await write(workspace, 'kept.js', 'x')
    const { files, untaken } = await workspaces().patch(workspace, signal)
    expect(files.map(({ path }) => path)).toEqual(['kept.js'])
    expect(untaken).toEqual([expect.stringContaining('is longer than a path may be')])
    await workspaces().remove(workspace)
  })

  test('keeps a huge file that the repository has as it is, and takes the rest', async () => {
    await addCommit(shop, 'main', { 'huge.csv': 'x'.repeat(5_000_001) })
    const workspace = await open(await take())
    await write(workspace, 'kept.js', 'x')
    const { files, untaken } = await workspaces().patch(workspace, signal)
    expect([files.map(({ path }) => path), untaken]).toEqual([['kept.js'], []])
    await write(workspace, 'huge.csv', 'y'.repeat(5_000_001))
    const changed = await workspaces().patch(workspace, signal)
    expect(changed.files.map(({ path }) => path)).toEqual(['kept.js'])
    expect(changed.untaken).toEqual([expect.stringContaining('huge.csv has more than 5 MB')])
  })

  test.runIf(process.getuid?.() === 0)(
    'goes where an agent has shut its folders, and what is shut is left out',
    async () => {
      await chmod(room.path, 0o755)
      await mkdir(options().stateDir, { recursive: true })
      await chown(options().stateDir, 65_534, 65_534)
      const code = `
      import { chmod, mkdir, readdir } from 'node:fs/promises'
      import { createGitSourceControl } from '${import.meta.dirname}/source-control.ts'
      import { createWorkspaces } from '${import.meta.dirname}/workspaces.ts'
      // Only now: nobody may not come to where the product lies, where its folder is its owner's alone.
      process.setgroups([])
      process.setgid(65_534)
      process.setuid(65_534)
      const { signal } = new AbortController()
      const options = ${JSON.stringify(options())}
      const snapshot = await createGitSourceControl(options).snapshot({ address: '${shop}', branch: null }, signal)
      const workspaces = createWorkspaces(options)
      const workspace = await workspaces.open({ snapshot, name: 'r1', patch: null }, signal)
      await mkdir(workspace.folder + '/shut/in/there', { recursive: true })
      await chmod(workspace.folder + '/shut/in', 0)
      await chmod(workspace.folder + '/shut', 0o555)
      const { untaken: said } = await workspaces.patch(workspace, signal)
      await workspaces.remove(workspace)
      console.log(JSON.stringify([said, await readdir(options.stateDir + '/work')]))`
      const args = ['--input-type=module', '-e', code]
      const own = { cwd: room.path, env: { PATH: process.env['PATH'] } }
      expect(JSON.parse(execFileSync(process.execPath, args, own).toString())).toEqual([
        ['shut/in may not be read and was left out'],
        [],
      ])
    },
  )

  test('is not left behind where it could not be laid out', async () => {
    await faultOf(open(await take(), new TextEncoder().encode('no patch')))
    expect(await readdir(join(options().stateDir, 'work')).catch(() => [])).toEqual([])
  })

  describe('into which packages were installed', () => {
    /** As an install leaves it: folders of its own, one of them in a folder of the repository. */
    async function installed(): Promise<Workspace> {
      const workspace = await open(await take())
      for (const path of ['node_modules/.bin', 'node_modules/part', 'docs/build'])
        await mkdir(join(workspace.folder, path), { recursive: true })
      await write(workspace, 'node_modules/part/index.js', 'x')
      await symlink('/etc/passwd', join(workspace.folder, 'node_modules/.bin/part'))
      execFileSync('mkfifo', [join(workspace.folder, 'docs/build/pipe')])
      return await workspaces().withoutNew(workspace)
    }

    test('gives a patch of what came after, without the folders of the install', async () => {
      const workspace = await installed()
      expect([...workspace.leftOut].toSorted()).toEqual(['docs/build', 'node_modules'])
      await write(workspace, 'node_modules/part/index.js', 'changed')
      await write(workspace, 'docs/new.md', 'x')
      await mkdir(join(workspace.folder, 'docs/more'))
      await write(workspace, 'docs/more/node_modules', 'x')
      const { files } = await workspaces().patch(workspace, signal)
      expect(files.map(({ path }) => path)).toEqual(['docs/more/node_modules', 'docs/new.md'])
    })

    test('counts what stands in the place of such a folder and is none', async () => {
      const workspace = await installed()
      await rm(join(workspace.folder, 'node_modules'), { recursive: true })
      await write(workspace, 'node_modules', 'x')
      expect((await workspaces().patch(workspace, signal)).files.map(({ path }) => path)).toEqual(['node_modules'])
      await rm(join(workspace.folder, 'node_modules'))
      await symlink('docs', join(workspace.folder, 'node_modules'))
      expect((await workspaces().patch(workspace, signal)).untaken).toEqual([
        'node_modules is a symbolic link and was left out',
      ])
    })

    test('counts every folder of the repository, also where the install put a link in its place', async () => {
      const workspace = await open(await take())
      await rm(join(workspace.folder, 'docs'), { recursive: true })
      await mkdir(join(workspace.folder, 'elsewhere/inner'), { recursive: true })
      await symlink('elsewhere', join(workspace.folder, 'docs'))
      const after = await workspaces().withoutNew(workspace)
      expect([...after.leftOut]).toEqual(['elsewhere'])
      await rm(join(workspace.folder, 'docs'))
      await mkdir(join(workspace.folder, 'docs/inner'), { recursive: true })
      await write(workspace, 'docs/inner/a.md', 'x')
      const { files } = await workspaces().patch(after, signal)
      expect(files.map(({ path }) => path)).toContain('docs/inner/a.md')
    })

    test('counts what the change so far has brought, though the repository does not hold it', async () => {
      const snapshot = await take()
      const first = await open(snapshot)
      await mkdir(join(first.folder, 'src'))
      await write(first, 'src/a.js', 'x')
      const { bytes } = await workspaces().patch(first, signal)
      const again = await open(snapshot, bytes)
      await mkdir(join(again.folder, 'node_modules'))
      const after = await workspaces().withoutNew(again)
      await write(after, 'src/b.js', 'x')
      expect((await workspaces().patch(after, signal)).files.map(({ path }) => path)).toEqual(['src/a.js', 'src/b.js'])
    })
  })

  test('with nothing changed gives an empty patch', async () => {
    await addCommit(shop, 'main', { '120000 link': '/etc/passwd' })
    const patch = await workspaces().patch(await open(await take()), signal)
    expect([patch.bytes.length, patch.files]).toEqual([0, []])
  })

  test.each([
    ['a link', (folder: string) => symlink('/etc/passwd', join(folder, 'passwd')), 'passwd is a symbolic link'],
    [
      'a pipe',
      (folder: string) => Promise.resolve(execFileSync('mkfifo', [join(folder, 'pipe')])),
      'pipe is neither a file nor a folder',
    ],
    [
      'a git directory',
      async (folder: string) => {
        await mkdir(join(folder, 'docs/.GIT'), { recursive: true })
        await writeFile(join(folder, 'docs/.GIT/config'), 'x')
      },
      'docs/.GIT/config',
    ],
    ['a huge file', (folder: string) => writeFile(join(folder, 'huge'), Buffer.alloc(5_000_001)), 'more than 5 MB'],
  ])('leaves out %s, names it, and gives the rest', async (_, plant, says) => {
    const workspace = await open(await take())
    await plant(workspace.folder)
    await write(workspace, 'kept.js', 'x')
    const { files, untaken } = await workspaces().patch(workspace, signal)
    expect(files.map(({ path }) => path)).toEqual(['kept.js'])
    expect(untaken).toEqual([expect.stringContaining(says)])
  })

  test('names twenty of what it leaves out, and how many more there are', async () => {
    const workspace = await open(await take())
    for (let n = 0; n < 25; n++) await symlink('/etc/passwd', join(workspace.folder, `link-${n}`))
    const { untaken } = await workspaces().patch(workspace, signal)
    expect(untaken).toHaveLength(21)
    expect(untaken.at(-1)).toBe('5 more were left out, which no patch can hold either')
  })

  test('leaves what the repository has as it is where something that cannot be taken stands in its place', async () => {
    const workspace = await open(await take())
    await rm(join(workspace.folder, 'docs'), { recursive: true })
    await symlink('/etc', join(workspace.folder, 'docs'))
    await rm(join(workspace.folder, 'README.md'))
    execFileSync('mkfifo', [join(workspace.folder, 'README.md')])
    const { bytes, files, untaken } = await workspaces().patch(workspace, signal)
    expect([bytes.length, files, untaken.length]).toEqual([0, [], 2])
  })
})

/** Names that no repository may have, as an agent may make them. */
const badNames: readonly (string | Uint8Array)[] = [
  '.git',
  '.GIT',
  '.Git',
  '.git.',
  '.git ',
  '.git. .',
  'git~1',
  'GIT~1',
  'GIT~4711',
  'gi7eba~1',
  'docs/.git',
  'docs/GIT~1',
  'a\nb',
  'a\rb',
  'a\tb',
  'a\u001b[31mb',
  'a\u007fb',
  'a\u0085b',
  'a\u202eb',
  'a\u200bb',
  '.g\u200cit',
  'cafe\u0301',
  'a\\b',
  'a:b',
  '.git::$INDEX_ALLOCATION',
  'a*b',
  'a?b',
  'a"b',
  'a<b',
  'a|b',
  'trailing.',
  'trailing ',
  Buffer.from('a\u00ffb', 'latin1'),
]

/** Names that only look odd. */
const goodNames = [
  '-rf',
  '--help',
  '$(touch owned)',
  '%2e%2e',
  '...a',
  '.github',
  'a b',
  "it's",
  'caf\u00e9',
  '~',
  '#1',
  'con',
]

/** Everything below a folder but one, with sizes and times. */
const around = (): string =>
  execFileSync('find', [room.path, '-path', '*/state', '-prune', '-o', '-printf', '%p %s %T@ %m\n']).toString()

describe('of names that an agent makes', () => {
  test('those that no repository may have are left out, and nothing is written anywhere else', async () => {
    const workspace = await open(await take())
    const before = around()
    const taken: unknown[] = []
    for (const name of badNames) {
      const path = Buffer.concat([Buffer.from(`${workspace.folder}/`), Buffer.from(name)])
      await writeFile(path, 'x')
      const { files, untaken } = await workspaces().patch(workspace, signal)
      if (files.length > 0 || !untaken[0]?.includes('is no path for a repository')) taken.push(name)
      await rm(path)
    }
    expect(taken).toEqual([])
    expect(around()).toBe(before)
    expect((await workspaces().patch(workspace, signal)).files, 'the control').toEqual([])
  })

  test('those that only look odd go into the tree as they are, and run nothing', async () => {
    const snapshot = await take()
    const workspace = await open(snapshot)
    for (const name of goodNames) await writeFile(join(workspace.folder, name), 'x')
    const patch = await workspaces().patch(workspace, signal)
    expect(patch.files.map(({ path }) => path).toSorted()).toEqual(goodNames.toSorted())
    const again = await open(snapshot, patch.bytes)
    expect((await workspaces().patch(again, signal)).tree).toBe(patch.tree)
    const commit = { snapshot, branch: 'quantapilot/r1/m-001', patch: patch.bytes, tree: patch.tree }
    const made = await createTrunk(options()).commitPatch(
      { ...commit, message: 'odd', at: snapshot.committedAt, key: 'key-1' },
      signal,
    )
    const names = (await git(shop, ['ls-tree', '-r', '-z', '--name-only', made.commit])).split('\0')
    expect(names).toEqual(expect.arrayContaining(goodNames))
  })

  test('no link leads out: not of a file, not of a folder, not in place of what was there', async () => {
    await writeFile(join(room.path, 'secret'), 'CANARY')
    await mkdir(join(room.path, 'outside'))
    for (const plant of [
      (folder: string) => symlink(join(room.path, 'secret'), join(folder, 'link')),
      (folder: string) => symlink(join(room.path, 'outside'), join(folder, 'linked')),
      (folder: string) =>
        rm(join(folder, 'docs'), { recursive: true }).then(() => symlink('/etc', join(folder, 'docs'))),
      (folder: string) =>
        rm(join(folder, 'README.md')).then(() => symlink('../../../secret', join(folder, 'README.md'))),
    ]) {
      const workspace = await open(await take())
      const before = around()
      await plant(workspace.folder)
      const { files, untaken } = await workspaces().patch(workspace, signal)
      expect([files, untaken]).toEqual([[], [expect.stringContaining('is a symbolic link')]])
      expect(around()).toBe(before)
      await workspaces().remove(workspace)
      expect(await readFile(join(room.path, 'secret'), 'utf8'), 'a removal follows no link either').toBe('CANARY')
    }
  })

  test.each([
    ['a pipe', 'mkfifo docs/pipe'],
    ['a pipe in place of a file', 'rm README.md; mkfifo README.md'],
    ['a socket', `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'`],
    ['a file of a terabyte that takes no room', 'truncate -s 1T huge'],
  ])('%s is left out at once', async (_, script) => {
    const workspace = await open(await take())
    execFileSync('sh', ['-c', script], { cwd: workspace.folder })
    const from = performance.now()
    const { files, untaken } = await workspaces().patch(workspace, signal)
    expect([files, untaken.length]).toEqual([[], 1])
    expect(performance.now() - from).toBeLessThan(5_000)
  })

  test('many files of together too much refuse the whole at once', async () => {
    const workspace = await open(await take())
    const script = 'for i in 1 2 3 4 5; do head -c 4900000 /dev/urandom > big$i; done'
    execFileSync('sh', ['-c', script], { cwd: workspace.folder })
    const from = performance.now()
    expect((await faultOf(workspaces().patch(workspace, signal))).code).toBe('VALIDATION_ERROR')
    expect(performance.now() - from).toBeLessThan(5_000)
  })
})

describe('the trunk', () => {
  const trunk = () => createTrunk(options())
  const branch = 'quantapilot/r1/m-001'

  async function change(text = 'export const a = 1\n') {
    const snapshot = await take()
    const workspace = await open(snapshot)
    await write(workspace, 'src.js', text)
    const { bytes: patch, tree } = await workspaces().patch(workspace, signal)
    return { snapshot, branch, patch, tree, message: 'feat: a', at: snapshot.committedAt, key: 'key-1' }
  }

  const order = (snapshot: Snapshot, sha: string, method: 'squash' | 'merge' | 'rebase' = 'squash') => ({
    snapshot,
    branch,
    sha,
    method,
    message: 'feat: a (M-001)',
    at: snapshot.committedAt,
    key: 'key-2',
  })

  test('takes a patch once, however often it is given, and refuses another tree', async () => {
    const request = await change()
    const made = await trunk().commitPatch(request, signal)
    expect(await trunk().commitPatch(request, signal)).toEqual(made)
    expect(await git(shop, ['rev-parse', `${made.commit}^{tree}`])).toBe(request.tree)
    const other = await faultOf(trunk().commitPatch({ ...request, tree: 'a'.repeat(40), key: 'key-9' }, signal))
    expect(other.code).toBe('FATAL')
  })

  test.each(['squash', 'merge', 'rebase'] as const)(
    '%s brings the approved tree to the base branch',
    async (method) => {
      const request = await change()
      const { commit: sha } = await trunk().commitPatch(request, signal)
      const merged = await trunk().merge(order(request.snapshot, sha, method), signal)
      expect(await trunk().merge(order(request.snapshot, sha, method), signal)).toEqual(merged)
      expect(await trunk().head(shop, 'main', signal)).toBe(merged.commit)
      expect(await git(shop, ['rev-parse', 'main^{tree}'])).toBe(request.tree)
      expect((await git(shop, ['log', '--format=%H', '--first-parent', 'main'])).split('\n')).toHaveLength(3)
    },
  )

  test('brings the files of a folder along that has the branch checked out, and is done once after a crash', async () => {
    const request = await change()
    const { commit: sha } = await trunk().commitPatch(request, signal)
    const { commit } = await trunk().merge(order(request.snapshot, sha), signal)
    expect(await git(shop, ['status', '--porcelain'])).toBe('')
    expect(await readFile(join(shop, 'src.js'), 'utf8')).toBe('export const a = 1\n')
    // As a crash between the branch and its files leaves it.
    await git(shop, ['read-tree', '-m', '-u', 'main', 'main~1'])
    expect(await trunk().merge(order(request.snapshot, sha), signal)).toEqual({ commit })
    expect(await git(shop, ['status', '--porcelain'])).toBe('')
  })

  test('merges nothing where the folder has changes, the base has moved, or the branch is elsewhere', async () => {
    const request = await change()
    const { commit: sha } = await trunk().commitPatch(request, signal)
    await writeFile(join(shop, 'README.md'), 'mine')
    expect((await faultOf(trunk().merge(order(request.snapshot, sha), signal))).message).toContain('not committed')
    await git(shop, ['checkout', '-q', '--', 'README.md'])
    await git(shop, ['switch', '-q', 'dev'])
    await addCommit(shop, branch, { 'evil.js': 'x' })
    expect((await faultOf(trunk().merge(order(request.snapshot, sha), signal))).message).toContain('not at')
    await addCommit(shop, 'main', { 'new.txt': 'x' })
    expect((await faultOf(trunk().merge(order(request.snapshot, sha), signal))).message).toContain('has moved')
    expect(await git(shop, ['log', '-1', '--format=%s', 'main'])).toBe('more')
  })

  test('does not touch the files where a filter of the folder would run on them', async () => {
    const request = await change()
    const { commit: sha } = await trunk().commitPatch(request, signal)
    await git(shop, ['config', 'filter.x.smudge', 'touch /tmp/never'])
    expect((await faultOf(trunk().merge(order(request.snapshot, sha), signal))).message).toContain('filters')
    expect(await git(shop, ['log', '-1', '--format=%s', 'main'])).toBe('second')
  })

  test('tags a commit once', async () => {
    const { commit } = await take()
    const request = { address: shop, name: 'lkg-1', commit }
    await trunk().tag(request, signal)
    await trunk().tag(request, signal)
    expect(await git(shop, ['rev-parse', 'lkg-1'])).toBe(commit)
  })
})

describe('taking a merge back', () => {
  const trunk = () => createTrunk(options())
  const branch = 'quantapilot/r1/m-001'
  type Method = 'squash' | 'merge' | 'rebase'

  /** Merges one change of these files, and says what an undo knows of it. */
  async function merged(files: Readonly<Record<string, string>>, method: Method, name = 'm-001') {
    const snapshot = await take()
    const workspace = await open(snapshot)
    for (const [path, text] of Object.entries(files)) await write(workspace, path, text)
    const { bytes: patch, tree } = await workspaces().patch(workspace, signal)
    const at = snapshot.committedAt
    const on = `quantapilot/r1/${name}`
    const made = { snapshot, branch: on, patch, tree, message: 'feat: a', at, key: `patch-${name}` }
    const { commit: sha } = await trunk().commitPatch(made, signal)
    const order = { snapshot, branch: on, sha, method, message: 'feat: a', at, key: `merge-${name}` }
    const { commit } = await trunk().merge(order, signal)
    return { commit, before: snapshot.commit, method }
  }

  const treeOf = (commit: string) => git(shop, ['rev-parse', `${commit}^{tree}`])

  async function revert(...merges: Awaited<ReturnType<typeof merged>>[]) {
    return await trunk().revert({ snapshot: await take(), merges }, signal)
  }

  test.each(['squash', 'merge', 'rebase'] as const)('%s gives the tree of before, twice the same', async (method) => {
    const before = await treeOf('main')
    const first = await merged({ 'src.js': 'one\n', 'run.sh': '#!/bin/sh\necho\n' }, method)
    const second = await merged({ 'src.js': 'two\n', 'other.js': 'x\n' }, method, 'm-002')
    const taken = await revert(second, first)
    expect(taken).toMatchObject({ kind: 'patch', patch: { tree: before }, left: [second.commit, first.commit] })
    expect(await revert(second, first)).toEqual(taken)
    expect(await git(shop, ['status', '--porcelain'])).toBe('')
  })

  test('keeps what others did since, in the same files too', async () => {
    const lines = Array.from({ length: 20 }, (_, at) => `line ${at}`)
    await addCommit(shop, 'main', { 'long.txt': `${lines.join('\n')}\n` })
    await git(shop, ['reset', '-q', '--hard'])
    const one = await merged({ 'long.txt': `${lines.with(1, 'ours').join('\n')}\n` }, 'squash')
    await addCommit(shop, 'main', { 'long.txt': `${lines.with(1, 'ours').with(18, 'theirs').join('\n')}\n`, new: 'x' })
    const taken = await revert(one)
    expect(taken).toMatchObject({ kind: 'patch', patch: { files: [{ path: 'long.txt', added: 1, removed: 1 }] } })
    const bytes = taken.kind === 'patch' ? Buffer.from(taken.patch.bytes).toString() : ''
    expect(bytes.split('\n').filter((line) => /^[-+][^-+]/.test(line))).toEqual(['-ours', '+line 1'])
  })

  test.each([
    ['changed the same line', { 'src.js': 'theirs\n' }, ['src.js']],
    ['turned it into no text', { 'src.js': 'a\0b' }, ['src.js']],
  ])('asks where others %s', async (_, theirs, files) => {
    const one = await merged({ 'src.js': 'ours\n' }, 'squash')
    const other = await merged({ 'src.js': 'more\n' }, 'squash', 'm-002')
    await addCommit(shop, 'main', theirs)
    expect(await revert(other)).toEqual({ kind: 'conflict', commit: other.commit, files })
    expect(await revert(one), 'changed here and gone there').toMatchObject({ kind: 'conflict', files: ['src.js'] })
  })

  test('finds nothing left of what somebody has reverted by hand', async () => {
    const one = await merged({ 'src.js': 'ours\n' }, 'squash')
    await git(shop, ['revert', '--no-edit', one.commit])
    expect(await revert(one)).toMatchObject({ kind: 'patch', patch: { files: [] }, left: [] })
  })

  test.each(['squash', 'rebase'] as const)('%s refuses a merge that took others’ commits along', async (method) => {
    const { commit: before } = await take()
    await addCommit(shop, 'main', { 'theirs.js': 'x' })
    await git(shop, ['reset', '-q', '--hard'])
    const one = await merged({ 'src.js': 'ours\n' }, method)
    const fault = await faultOf(revert({ ...one, before }))
    expect([fault.code, fault.message]).toEqual([
      'PRECONDITION_FAILED',
      expect.stringContaining('of others in between'),
    ])
  })

  test('removes a branch or a tag that names the commit still, and no other', async () => {
    const { commit } = await merged({ 'src.js': 'ours\n' }, 'squash')
    await trunk().tag({ address: shop, name: 'lkg-1', commit }, signal)
    const tip = await git(shop, ['rev-parse', branch])
    const gone = (kind: 'branch' | 'tag', name: string, at: string) =>
      trunk().withdraw({ address: shop, kind, name, commit: at }, signal)
    expect(await gone('tag', 'lkg-1', tip)).toBe('moved')
    expect(await gone('branch', branch, commit)).toBe('moved')
    expect([await gone('tag', 'lkg-1', commit), await gone('branch', branch, tip)]).toEqual(['removed', 'removed'])
    expect([await gone('tag', 'lkg-1', commit), await gone('branch', branch, tip)]).toEqual(['gone', 'gone'])
    expect((await faultOf(gone('branch', 'main', commit))).message).toContain('not ours')
    expect(await git(shop, ['for-each-ref', '--format=%(refname:short)'])).toBe('dev\nmain')
  })
})
