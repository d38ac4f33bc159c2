import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import { runProcess } from '../process/run.ts'
import type { WebhookOptions } from './send.ts'
import { sendWebhook } from './send.ts'

async function listen(answer: RequestListener): Promise<number> {
  const server = createHttpServer(answer)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', () => ready()))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((closed) => server.close(() => closed()))
  })
  return (server.address() as AddressInfo).port
}

const here: WebhookOptions = { allowedHosts: ['127.0.0.1', 'localhost'], timeoutMs: 2_000 }

const send = (address: string, options: WebhookOptions = here) =>
  sendWebhook(
    {
      address,
      event: 'run_started',
      deliveryId: 'd1',
      body: '{"event":"run_started"}',
      secret: 's',
      sentAt: new Date(0),
    },
    options,
  )

const faultOf = async (work: Promise<unknown>): Promise<Fault> => {
  const error = await work.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error instanceof Fault) return error
  throw new Error(`no fault: ${String(error)}`)
}

test('an endpoint that is not public is not asked, by whatever name or number it goes', async () => {
  let asked = 0
  const port = await listen((_, response) => {
    asked++
    response.end()
  })
  const open = { allowedHosts: null, timeoutMs: 2_000 }
  const inside = ['127.0.0.1', 'localhost', '[::1]', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '0.0.0.0']
  for (const host of inside) {
    expect(await faultOf(send(`https://${host}:${port}/`, open))).toMatchObject({
      code: 'VALIDATION_ERROR',
      retryable: false,
    })
  }
  for (const address of [
    'http://169.254.169.254/latest',
    'https://10.1.2.3/',
    'https://192.168.0.1/',
    'https://[fe80::1]/',
  ]) {
    expect(await faultOf(send(address, open))).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
  }
  expect(asked).toBe(0)
})

test('a host that is not on the list of allowed ones is not asked', async () => {
  const fault = await faultOf(send('https://example.org/', { ...here, allowedHosts: ['hooks.example.org'] }))
  expect(fault.message).toContain('example.org is not allowed')
})

test('plain http goes to this machine only', async () => {
  const fault = await faultOf(send('http://10.1.2.3/', { ...here, allowedHosts: ['10.1.2.3'] }))
  expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
  expect(fault.message).toContain('https only')
})

test('an endpoint that leads elsewhere is not followed', async () => {
  let followed = 0
  const port = await listen((request, response) => {
    if (request.url === '/there') followed++
    response.writeHead(307, { location: '/there' }).end()
  })
  expect(await send(`http://127.0.0.1:${port}/hook`)).toMatchObject({ status: 307 })
  expect(followed).toBe(0)
})

test('an endpoint that takes its time is given up, whether it is slow to answer or never ends', async () => {
  const silent = await listen(() => undefined)
  const fault = await faultOf(send(`http://127.0.0.1:${silent}/`, { ...here, timeoutMs: 200 }))
  expect(fault).toMatchObject({ code: 'UPSTREAM_TIMEOUT', retryable: true })
  const endless = await listen((_, response) => {
    response.writeHead(200).write('x')
  })
  expect(await send(`http://127.0.0.1:${endless}/`, { ...here, timeoutMs: 400 })).toMatchObject({ status: 200 })
})

test('an endless answer is cut off', async () => {
  let written = 0
  const port = await listen((_, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && written < 1e9) {
        written += 65_536
        if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more)
      }
    }
    more()
  })
  expect(await send(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 200 })
  expect(written).toBeLessThan(50_000_000)
})

test.each([
  ['7', 7_000],
  ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ['soon', null],
])('an endpoint that asks us to come back after %j is understood', async (value, retryAfterMs) => {
  const port = await listen((_, response) => response.writeHead(429, { 'retry-after': value }).end())
  expect(await send(`http://127.0.0.1:${port}/`)).toEqual({ status: 429, retryAfterMs })
})

test('an endpoint that is down is tried again', async () => {
  const port = await listen(() => undefined)
  const gone = createHttpServer()
  await new Promise<void>((ready) => gone.listen(0, '127.0.0.1', () => ready()))
  const { port: free } = gone.address() as AddressInfo
  await new Promise<void>((closed) => gone.close(() => closed()))
  expect(await faultOf(send(`http://127.0.0.1:${free}/`))).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
  // Somebody listens, and does not speak TLS.
  expect(await faultOf(send(`https://127.0.0.1:${port}/`))).toMatchObject({ retryable: true })
})

test('over https the endpoint must prove its name', async () => {
  const { key, cert } = await aCertificate()
  const names: unknown[] = []
  const server = createHttpsServer({ key, cert }, (request, response) => {
    names.push([request.headers.host?.split(':')[0], request.method])
    response.writeHead(204).end()
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', () => ready()))
  onTestFinished(() => new Promise<void>((closed) => server.close(() => closed())))
  const { port } = server.address() as AddressInfo
  expect(await send(`https://localhost:${port}/hook`, { ...here, ca: cert })).toMatchObject({ status: 204 })
  expect(names).toEqual([['localhost', 'POST']])
  expect(await faultOf(send(`https://localhost:${port}/hook`))).toMatchObject({ retryable: true })
  // The certificate is for the name, not for the number.
  expect(await faultOf(send(`https://127.0.0.1:${port}/hook`, { ...here, ca: cert }))).toMatchObject({
    retryable: true,
  })
  expect(names).toHaveLength(1)
})

async function aCertificate(): Promise<{ readonly key: string; readonly cert: string }> {
  const cwd = await mkdtemp(join(tmpdir(), 'qp-tls-'))
  onTestFinished(() => rm(cwd, { recursive: true, force: true }))
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const args = ['req', ...kind, '-keyout', 'key.pem', '-out', 'cert.pem', ...subject]
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const made = await runProcess({ command: 'openssl', args, cwd, env, timeoutMs: 20_000, maxOutputBytes: 100_000 })
  expect(made.exitCode, made.stderr).toBe(0)
  return { key: await readFile(join(cwd, 'key.pem'), 'utf8'), cert: await readFile(join(cwd, 'cert.pem'), 'utf8') }
}
