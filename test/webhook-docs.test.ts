import { createHmac } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { runProcess } from '../adapters/process/run.ts'
import { signatureOf } from '../adapters/webhook/send.ts'
import { webhookEvents } from '../core/store/webhook-event.ts'

const page = await readFile(join(import.meta.dirname, '../docs/webhooks.md'), 'utf8')

const snippet = (language: string): string => new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? ''

async function aFile(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qp-snippet-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

const bodyAt = (at: Date): string => JSON.stringify({ event: 'ping', delivery_id: 'd1', at: at.toISOString() })

type Verify = (rawBody: string, signature: string, secret: string, isKnown: (id: string) => boolean) => unknown

test('the Node receiver of the manual takes what we sign, once, and nothing else', async () => {
  const file = await aFile('verify.mjs', snippet('js'))
  const { verify } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { verify: Verify }
  const body = bodyAt(new Date())
  const signature = signatureOf(body, 'whsec_1')
  expect(signature).toBe(`sha256=${createHmac('sha256', 'whsec_1').update(body).digest('hex')}`)
  expect(verify(body, signature, 'whsec_1', () => false)).toMatchObject({ event: 'ping' })
  expect(verify(body, signature, 'whsec_1', (id) => id === 'd1')).toBeNull()
  expect(verify(body, signature, 'whsec_2', () => false)).toBeNull()
  expect(verify(`${body} `, signature, 'whsec_1', () => false)).toBeNull()
  expect(verify(body, 'sha256=', 'whsec_1', () => false)).toBeNull()
  const old = bodyAt(new Date(Date.now() - 4 * 86_400_000))
  expect(verify(old, signatureOf(old, 'whsec_1'), 'whsec_1', () => false)).toBeNull()
})

test('the Python receiver of the manual takes what we sign', async ({ skip }) => {
  const body = bodyAt(new Date())
  const tries = [signatureOf(body, 'k'), signatureOf(body, 'other')].map(
    (signature) => `print(verify(${JSON.stringify(body)}.encode(), "${signature}", "k", lambda id: False) is not None)`,
  )
  const file = await aFile('verify.py', [snippet('python'), ...tries].join('\n'))
  const run = runProcess({
    command: 'python3',
    args: [file],
    cwd: tmpdir(),
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    timeoutMs: 10_000,
    maxOutputBytes: 10_000,
  })
  const done = await run.catch(() => null)
  if (done === null) return skip('there is no Python here')
  expect(done.stdout.toString().split('\n').slice(0, 2)).toEqual(['True', 'False'])
})

test('the manual names every event', () => {
  for (const event of webhookEvents) expect(page).toContain(`\`${event}\``)
})
