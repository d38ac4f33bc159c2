import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openKeyFiles } from './key-files.ts'

const ann = '0199aaaa-0000-7000-8000-0000000012ef'
const bob = '0199aaaa-0000-7000-8000-0000000034ef'
const file = join('ef', '12', ann)

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qp-keys-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'keys')
}

test('a key is 32 random bytes that only this user may read, and stays', async () => {
  const dir = await makeFolder()
  const keys = openKeyFiles(dir)
  const key = await keys.make(ann)
  expect(key).toHaveLength(32)
  expect(await keys.make(bob)).not.toEqual(key)
  expect(await keys.make(ann)).toEqual(key)
  expect(await openKeyFiles(dir).get(ann)).toEqual(key)
  const modes = [dir, join(dir, 'ef'), join(dir, 'ef', '12'), join(dir, file)].map(
    async (path) => (await stat(path)).mode,
  )
  expect((await Promise.all(modes)).map((mode) => mode & 0o777)).toEqual([0o700, 0o700, 0o700, 0o600])
  expect(await readdir(join(dir, 'ef', '12'))).toEqual([ann])
})

test('everybody who makes a key at once gets the same one', async () => {
  const dir = await makeFolder()
  const made = await Promise.all(Array.from({ length: 20 }, () => openKeyFiles(dir).make(ann)))
  expect(new Set(made.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1)
  expect(await readdir(join(dir, 'ef', '12'))).toEqual([ann])
})

test('whoever is about to write a key takes the one that another process wrote meanwhile', async () => {
  const dir = await makeFolder()
  const folder = join(dir, 'ef', '12')
  const making = openKeyFiles(dir).make(ann)
  while (!existsSync(folder) || readdirSync(folder).length === 0) await nextTurn()
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/\.draft$/)])
  const theirs = Buffer.alloc(32, 7)
  writeFileSync(join(folder, ann), theirs, { flag: 'wx' })
  expect(await making).toEqual(theirs)
  expect(await readdir(folder)).toEqual([ann])
})

test('a destroyed key is gone for good, in other processes within half a minute, even when a backup brings the file back', async () => {
  const dir = await makeFolder()
  let now = 0
  const here = openKeyFiles(dir)
  const elsewhere = openKeyFiles(dir, () => now)
  const key = await here.make(ann)
  await elsewhere.get(ann)
  await here.destroy(ann)
  await here.destroy(ann)
  expect(await here.get(ann)).toBeNull()
  expect(await readdir(join(dir, 'ef', '12'))).toEqual([`${ann}.destroyed`])
  now = 30_001
  expect(await elsewhere.get(ann)).toBeNull()
  await writeFile(join(dir, file), key)
  expect(await openKeyFiles(dir).get(ann)).toBeNull()
  await expect(here.make(ann)).rejects.toThrow('was destroyed')
})

test('a key that is missing without having been destroyed is asked for, by its path', async () => {
  const dir = await makeFolder()
  await expect(openKeyFiles(dir).get(ann)).rejects.toThrow(
    `The key ${join(dir, file)} is missing, and what it sealed cannot be read without it: put the folder of keys back from its backup, or set QP_KEYS_DIR to where it is.`,
  )
  await expect(openKeyFiles(dir).lookup(false)).rejects.toThrow(`The key ${join(dir, 'lookup')} is missing`)
  const made = await openKeyFiles(dir).lookup(true)
  expect(await openKeyFiles(dir).lookup(false)).toEqual(made)
})

test('a folder that is none, and a file that is no key, are named with what to do', async () => {
  const dir = await makeFolder()
  await openKeyFiles(dir).make(ann)
  await writeFile(join(dir, file), 'short')
  await expect(openKeyFiles(dir).get(ann)).rejects.toThrow(`The key ${join(dir, file)} is damaged: put this file back`)
  const blocked = join(dir, 'blocked')
  await writeFile(blocked, '')
  await expect(openKeyFiles(blocked).make(ann)).rejects.toThrow(
    /^The keys of personal data cannot be used \(ENOTDIR.*\): let only this user read and write the folder, or set QP_KEYS_DIR/,
  )
})

test('a subject that is no uuid never becomes a path', async () => {
  const dir = await makeFolder()
  await expect(openKeyFiles(dir).make('../../etc/passwd')).rejects.toThrow('is no subject of a key')
})

test('whose keys were destroyed is known by the folder alone', async () => {
  const dir = await makeFolder()
  const keys = openKeyFiles(dir)
  expect(await keys.destroyed()).toEqual([])
  await keys.lookup(true)
  await keys.make(ann)
  await keys.make(bob)
  expect(await keys.destroyed()).toEqual([])
  await keys.destroy(bob)
  await writeFile(join(dir, 'notes.destroyed'), '')
  await writeFile(join(dir, 'ef', 'notes'), '')
  expect(await openKeyFiles(dir).destroyed()).toEqual([bob])
})
