import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readSecret, webhookSecret } from './secret.ts'

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qp-secret-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a server makes its secret once, for itself alone, however many processes begin at once', async () => {
  const folder = await aFolder()
  const keysDir = join(folder, 'keys')
  const secrets = await Promise.all(
    // A state folder of its own each, as containers have: what they share is the folder of keys.
    Array.from({ length: 8 }, (_, n) => readSecret(null, { keysDir, stateDir: join(folder, `state ${n}`) })),
  )
  expect(new Set(secrets).size).toBe(1)
  expect(await readSecret(null, { keysDir, stateDir: folder })).toBe(secrets[0])
  expect(await readdir(keysDir)).toEqual(['secret'])
  expect((await stat(join(keysDir, 'secret'))).mode & 0o777).toBe(0o600)
})

test('the secret that an older version kept in its state folder goes on', async () => {
  const folder = await aFolder()
  await writeFile(join(folder, 'secret'), `${'o'.repeat(43)}\n`)
  expect(await readSecret(null, { keysDir: join(folder, 'keys'), stateDir: folder })).toBe('o'.repeat(43))
  expect(await readdir(folder)).toEqual(['secret'])
})

test('a folder that cannot hold a secret is said, with what to do', async () => {
  const folder = await aFolder()
  await writeFile(join(folder, 'keys'), '')
  await expect(readSecret(null, { keysDir: join(folder, 'keys', 'of'), stateDir: folder })).rejects.toThrow('QP_SECRET')
})

test('a configured secret is used instead, and a file without one is said', async () => {
  const folder = await aFolder()
  const folders = { keysDir: folder, stateDir: join(folder, 'state') }
  expect(await readSecret('k'.repeat(32), folders)).toBe('k'.repeat(32))
  expect(await readdir(folder)).toEqual([])
  await writeFile(join(folder, 'secret'), '\n')
  await expect(readSecret(null, folders)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
})

test('each webhook has a secret of its own, always the same', () => {
  const secret = 'k'.repeat(32)
  expect(webhookSecret(secret, 'a')).toMatch(/^whsec_[\w-]{43}$/)
  expect(webhookSecret(secret, 'a')).toBe(webhookSecret(secret, 'a'))
  expect(webhookSecret(secret, 'b')).not.toBe(webhookSecret(secret, 'a'))
  expect(webhookSecret('x'.repeat(32), 'a')).not.toBe(webhookSecret(secret, 'a'))
})
