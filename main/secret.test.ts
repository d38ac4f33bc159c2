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
  const secrets = await Promise.all(Array.from({ length: 8 }, () => readSecret(null, folder)))
  expect(new Set(secrets).size).toBe(1)
  expect(await readSecret(null, folder)).toBe(secrets[0])
  expect(await readdir(folder)).toEqual(['secret'])
  expect((await stat(join(folder, 'secret'))).mode & 0o777).toBe(0o600)
})

test('a configured secret is used instead, and a file without one is said', async () => {
  const folder = await aFolder()
  expect(await readSecret('k'.repeat(32), folder)).toBe('k'.repeat(32))
  expect(await readdir(folder)).toEqual([])
  await writeFile(join(folder, 'secret'), '\n')
  await expect(readSecret(null, folder)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
})

test('each webhook has a secret of its own, always the same', () => {
  const secret = 'k'.repeat(32)
  expect(webhookSecret(secret, 'a')).toMatch(/^whsec_[\w-]{43}$/)
  expect(webhookSecret(secret, 'a')).toBe(webhookSecret(secret, 'a'))
  expect(webhookSecret(secret, 'b')).not.toBe(webhookSecret(secret, 'a'))
  expect(webhookSecret('x'.repeat(32), 'a')).not.toBe(webhookSecret(secret, 'a'))
})
