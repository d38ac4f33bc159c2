import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeFolder } from './make-folder.ts'

async function openFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'qp-folder-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

test('a folder is made with all that is missing above it, shut as was asked, and is no error when it is there', async () => {
  const dir = await openFolder()
  await Promise.all([makeFolder(join(dir, 'a/b/c'), 0o700), makeFolder(join(dir, 'a/b/d'), 0o700)])
  await makeFolder(join(dir, 'a/b/c'), 0o700)
  for (const made of ['a', 'a/b', 'a/b/c', 'a/b/d']) expect((await stat(join(dir, made))).mode & 0o777).toBe(0o700)
  await symlink(join(dir, 'a'), join(dir, 'link'))
  await makeFolder(join(dir, 'link'))
  await makeFolder(join(dir, 'link/e'))
  expect((await stat(join(dir, 'a/e'))).isDirectory()).toBe(true)
})

test.runIf(process.platform === 'linux')('what cannot be made is the system’s error, at once', async () => {
  const dir = await openFolder()
  await writeFile(join(dir, 'file'), '')
  await expect(makeFolder(join(dir, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolder(join(dir, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolder('/proc/there/is/none')).rejects.toMatchObject({ code: 'ENOENT' })
})
