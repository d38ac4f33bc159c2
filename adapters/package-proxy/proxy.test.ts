import { execFileSync } from 'node:child_process'
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer as createPlainServer, type Server as PlainServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect as connectTls, createServer, type Server } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { SandboxOrder, SandboxResult } from '../../core/workshop.ts'
import { hasSandbox } from '../../test/support/has-sandbox.ts'
import { createBubblewrap } from '../bubblewrap/sandbox.ts'
import { runProcess } from '../process/run.ts'
import type { PackageHost } from './environment.ts'
import { createPackageProxy, type PackageProxyOptions } from './proxy.ts'

const canary = 'CANARY-3e9a71b4'
let dir: string
let folder: string
/** A package host of the operator's, which says what it is; another server of this machine, and who came to it. */
let host: Server
let hostPort: number
let other: PlainServer
let otherPort: number
let strangers = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'packages-test-'))
  folder = join(dir, 'work')
  await mkdir(folder)
  const { key, cert } = await makeCertificate(dir)
  host = createServer({ key, cert }, (socket) => {
    socket.on('error', () => undefined)
    socket.write('a package\n')
    socket.pipe(socket)
  })
  other = createPlainServer((socket) => {
    strangers++
    socket.on('error', () => undefined).end('hello')
  })
  hostPort = await listening(host)
  otherPort = await listening(other)
})
afterAll(async () => {
  host.close()
  other.close()
  await rm(dir, { recursive: true, force: true })
})

async function makeCertificate(cwd: string): Promise<{ readonly key: string; readonly cert: string }> {
  const subject = ['-subj', '/CN=packages', '-addext', 'subjectAltName=DNS:packages.example.com,IP:127.0.0.1']
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', 'key.pem', '-out', 'cert.pem']
  const limits = { timeoutMs: 20_000, maxOutputBytes: 100_000 }
  const env = { PATH: '/usr/bin:/bin' }
  const made = await runProcess({ command: 'openssl', args: [...args, ...subject], cwd, env, ...limits })
  expect(made.exitCode, made.stderr).toBe(0)
  return { key: await readFile(join(cwd, 'key.pem'), 'utf8'), cert: await readFile(join(cwd, 'cert.pem'), 'utf8') }
}

const listening = (server: PlainServer): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))

const listed = (): PackageHost => ({ host: '127.0.0.1', port: hostPort })

/** A name, and all that it may lead to on this machine. */
const here = (): readonly PackageHost[] => [
  { host: 'localhost', port: hostPort },
  { host: '::1', port: hostPort },
  listed(),
]

/** A line that ends with the test, and what it told the operator. */
async function open(more: Partial<PackageProxyOptions> = {}): Promise<Opened> {
  const told: string[] = []
  const onRefused = (sentence: string): void => void told.push(sentence)
  const proxy = createPackageProxy({ hosts: [listed()], tmpDir: tmpdir(), onRefused, ...more })
  const line = await proxy.open(new AbortController().signal)
  onTestFinished(() => line.close())
  return { socket: line.socket, refused: () => line.refused(), told }
}

type Opened = {
  readonly socket: string
  readonly refused: () => readonly string[]
  readonly told: readonly string[]
}

/** The whole answer to these bytes, and to more of them once it has begun. */
function say(socket: string, bytes: string, then = ''): Promise<string> {
  return new Promise((resolve) => {
    const heard: Buffer[] = []
    const client = connect({ path: socket }, () => client.write(bytes))
    client.on('data', (each) => {
      heard.push(each)
      if (heard.length === 1 && then !== '') client.write(then)
    })
    client.on('error', () => undefined)
    client.once('close', () => resolve(Buffer.concat(heard).toString()))
    client.setTimeout(1_500, () => client.destroy())
  })
}

const connectTo = (target: string, headers = 'host: x'): string => `CONNECT ${target} HTTP/1.1\r\n${headers}\r\n\r\n`

/** What a listed host answers through the proxy to TLS with this name. */
function greetThrough(socket: string, target: string, servername = ''): Promise<string> {
  return new Promise((resolve) => {
    const tunnel = connect({ path: socket }, () => tunnel.write(connectTo(target)))
    const end = (text: string): void => {
      tunnel.destroy()
      resolve(text)
    }
    tunnel.once('data', (answer) => {
      if (!answer.toString().startsWith('HTTP/1.1 200')) return end(answer.toString())
      const tls = connectTls({ socket: tunnel, servername, rejectUnauthorized: false })
      tls.once('data', (bytes: Buffer) => end(bytes.toString()))
      tls.once('error', (error: Error) => end(`ended: ${error.message}`))
    })
    tunnel.once('error', (error) => end(`ended: ${error.message}`))
    tunnel.once('close', () => end('ended'))
  })
}

const greetDirectly = (): Promise<string> =>
  new Promise((resolve) =>
    connect({ host: '127.0.0.1', port: otherPort }).on('data', (each) => resolve(each.toString())),
  )

describe('the proxy of package hosts', () => {
  test('carries TLS to a listed host', async () => {
    const { socket, refused } = await open()
    expect(await greetThrough(socket, `127.0.0.1:${hostPort}`)).toBe('a package\n')
    expect(refused()).toEqual([])
  })

  test('knows a listed name in capitals too, and asks the name server for what was listed', async () => {
    const { socket } = await open({ hosts: here() })
    expect(await greetThrough(socket, `LOCALHOST:${hostPort}`, 'LocalHost')).toBe('a package\n')
  })

  test.each([
    ['another host', (port: number) => connectTo(`packages.example.org:${port}`)],
    ['another port', (port: number) => connectTo(`127.0.0.1:${port + 1}`)],
    ['another name of the same machine', (port: number) => connectTo(`localhost:${port}`)],
    ['a longer name that ends the same', (port: number) => connectTo(`evil127.0.0.1:${port}`)],
    ['a name below it', (port: number) => connectTo(`x.127.0.0.1:${port}`)],
    ['a trailing dot', (port: number) => connectTo(`127.0.0.1.:${port}`)],
    ['a user before it', (port: number) => connectTo(`127.0.0.1:${port}@evil.example.com:443`)],
    ['a user before the listed one', (port: number) => connectTo(`evil.example.com@127.0.0.1:${port}`)],
    ['the address as a number', (port: number) => connectTo(`2130706433:${port}`)],
    ['the address in base sixteen', (port: number) => connectTo(`0x7f000001:${port}`)],
    ['the address in base eight', (port: number) => connectTo(`0177.0.0.1:${port}`)],
    ['the address in short', (port: number) => connectTo(`127.1:${port}`)],
    ['the address as IPv6', (port: number) => connectTo(`[::ffff:127.0.0.1]:${port}`)],
    ['loopback by IPv6', (port: number) => connectTo(`[::1]:${port}`)],
    ['a port with a zero before it', (port: number) => connectTo(`127.0.0.1:0${port}`)],
    ['no port', () => connectTo('127.0.0.1')],
    ['the metadata of a cloud', () => connectTo('169.254.169.254:80')],
    ['nowhere in particular', (port: number) => connectTo(`0.0.0.0:${port}`)],
    ['a header that names the listed host', (port: number) => connectTo('10.0.0.1:443', `host: 127.0.0.1:${port}`)],
    ['a whole address', (port: number) => `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`],
    ['a path', (port: number) => `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`],
    [
      'bytes to keep',
      (port: number) => `PUT http://127.0.0.1:${port}/x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`,
    ],
    ['another protocol', () => 'GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
  ])('refuses %s, in a sentence that the operator reads as well', async (_, bytes) => {
    const before = strangers
    const { socket, refused, told } = await open()
    const answer = await say(socket, bytes(hostPort))
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n.*refused: /s)
    expect(refused()).toHaveLength(1)
    expect(told).toEqual(refused())
    expect(strangers).toBe(before)
  })

  test.each([
    ['no request at all', 'hello\r\n\r\n'],
    ['two requests in one', `${connectTo('10.0.0.1:443')}${connectTo('10.0.0.1:443')}`],
    ['a line that goes on', 'CONNECT 127.0.0.1\r\n :443 HTTP/1.1\r\n\r\n'],
    ['a zero byte', connectTo('127.0.0.1\0.example.com:443')],
    ['a header without end', `CONNECT 127.0.0.1:443 HTTP/1.1\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`],
  ])('opens nothing for %s', async (_, bytes) => {
    const { socket } = await open()
    expect(await say(socket, bytes)).not.toContain(' 200 ')
  })

  test('a name that leads to this machine or a private network is refused, unless that very address is listed', async () => {
    const { socket, refused } = await open({ hosts: [{ host: 'localhost', port: hostPort }] })
    expect(await say(socket, connectTo(`localhost:${hostPort}`))).toMatch(/^HTTP\/1\.1 403 .*which is not public/s)
    expect(refused()[0]).toMatch(
      /^localhost leads to \S+, which is not public: if it is yours, list \S+ in QP_PACKAGE_HOSTS/,
    )
  })

  test('a tunnel carries TLS for the host it was opened to, and nothing else', async () => {
    const hosts = here()
    const { socket, refused } = await open({ hosts })
    const target = `localhost:${hostPort}`
    expect(await greetThrough(socket, target, 'localhost'), 'the control').toBe('a package\n')
    expect(await greetThrough(socket, target, 'another.example.com')).toMatch(/^ended/)
    expect(await greetThrough(socket, target)).toMatch(/^ended/)
    expect(await say(socket, connectTo(target), `GET / HTTP/1.1\r\nhost: another.example.com\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 200 [^\r]*\r\n\r\n$/,
    )
    expect(refused()).toHaveLength(3)
    expect(refused()[0]).toBe(`A connection to ${target} was ended: it was no TLS for that host.`)
  })

  test('a host that does not answer is said to be out of reach, and refused by nobody', async () => {
    const { socket, refused } = await open({ hosts: [{ host: '127.0.0.1', port: 1 }] })
    expect(await say(socket, connectTo('127.0.0.1:1'))).toMatch(/^HTTP\/1\.1 502 .*could not be reached/s)
    expect(refused()).toEqual([])
  })

  test('tunnels, bytes and silence have an end', async () => {
    const target = `127.0.0.1:${hostPort}`
    const narrow = await open({ limits: { tunnels: 1, connectMs: 1_000 } })
    const held = say(narrow.socket, connectTo(target))
    await expect.poll(() => say(narrow.socket, connectTo(target))).toContain('403 Forbidden')
    expect(narrow.refused()[0]).toBe('No more than 1 connections to package hosts may be open at once.')
    await held
    const small = await open({ limits: { bytes: 100 } })
    expect(await greetThrough(small.socket, target)).toMatch(/^ended/)
    expect(await say(small.socket, connectTo(target))).toContain('403 Forbidden')
    const silent = await open({ limits: { connectMs: 100 } })
    expect(await say(silent.socket, connectTo(target))).toMatch(/^HTTP\/1\.1 200/)
    expect(silent.refused(), 'it said nothing').toHaveLength(1)
  })

  test('a line ends also while somebody who was turned away does not hang up', async () => {
    const line = await createPackageProxy({ hosts: [], tmpDir: tmpdir(), onRefused: () => undefined }).open(
      new AbortController().signal,
    )
    const client = connect({ path: line.socket, allowHalfOpen: true }, () => client.write(connectTo('10.0.0.1:443')))
    await new Promise((resolve) => client.resume().once('end', resolve))
    await line.close()
    await expect(access(line.socket)).rejects.toThrow('ENOENT')
  })

  test.each(['close', 'abort'] as const)('everything ends with the line: %s', async (how) => {
    const stop = new AbortController()
    const proxy = createPackageProxy({ hosts: [listed()], tmpDir: tmpdir(), onRefused: () => undefined })
    const line = await proxy.open(stop.signal)
    onTestFinished(() => line.close())
    const closed = new Promise((resolve) => {
      const tunnel = connect({ path: line.socket }, () => tunnel.write(connectTo(`127.0.0.1:${hostPort}`)))
      tunnel.once('data', () => {
        const tls = connectTls({ socket: tunnel, rejectUnauthorized: false })
        tls.on('error', () => undefined)
        tls.once('data', () => (how === 'close' ? void line.close() : stop.abort()))
      })
      tunnel.once('close', resolve)
    })
    await closed
    await expect.poll(() => access(dirname(line.socket)).catch(() => 'gone')).toBe('gone')
  })
})

const limits = {
  timeoutMs: 20_000,
  memoryBytes: 400_000_000,
  processes: 200,
  outputBytes: 200_000,
  scratchBytes: 20_000_000,
  folderBytes: 30_000_000,
}

/** Runs a program of Node's in a sandbox, with the port of the package hosts or without. */
async function runInside(program: string, socket: string | null): Promise<SandboxResult> {
  await writeFile(join(folder, 'probe.mjs'), program)
  const bridge = socket === null ? null : { socket, port: 4011 }
  return await run({ folder, command: ['node', 'probe.mjs'], bridge, limits })
}

const run = (order: Pick<SandboxOrder, 'folder' | 'command' | 'bridge' | 'limits'>): Promise<SandboxResult> =>
  createBubblewrap({ stateDir: join(dir, 'state'), path: '/usr/bin:/bin' }).run(
    { env: {}, stdin: null, mounts: [], ...order },
    new AbortController().signal,
  )

/** Knocks at addresses by itself, sends requests to the port it was given, and greets the listed host through it. */
const probe = (asked: {
  readonly doors: readonly (readonly [string, number])[]
  readonly requests: readonly string[]
}) => `
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
const { doors, requests } = ${JSON.stringify(asked)}
const knock = (host, port) => new Promise((resolve) => {
  const socket = connect({ host, port, timeout: 800 }, () => resolve('reached'))
  for (const event of ['error', 'timeout', 'close']) socket.on(event, () => { resolve('refused'); socket.destroy() })
})
const say = (bytes) => new Promise((resolve) => {
  const socket = connect(4011, '127.0.0.1', () => socket.write(bytes))
  socket.on('data', (each) => { resolve(String(each).split('\\r\\n')[0]); socket.destroy() })
  for (const event of ['error', 'close']) socket.on(event, () => resolve('refused'))
})
const greet = (target) => new Promise((resolve) => {
  const socket = connect(4011, '127.0.0.1', () => socket.write('CONNECT ' + target + ' HTTP/1.1\\r\\n\\r\\n'))
  socket.once('data', () => {
    const tls = connectTls({ socket, rejectUnauthorized: false })
    tls.on('data', (each) => { resolve(String(each)); socket.destroy() }).on('error', (error) => resolve(error.message))
  })
  for (const event of ['error', 'close']) socket.on(event, () => resolve('refused'))
})
const datagram = () => new Promise((resolve) => {
  const socket = createSocket('udp4')
  socket.on('error', () => resolve('refused')).send('x', 53, '1.1.1.1', (error) => { resolve(error ? 'refused' : 'sent'); socket.close() })
})
const answers = {
  doors: await Promise.all(doors.map(([host, port]) => knock(host, port))),
  requests: await Promise.all(requests.map(say)),
  host: await greet('127.0.0.1:${hostPort}'),
  name: await lookup('packages.example.com').then(() => 'found', () => 'refused'),
  datagram: await datagram(),
  environment: process.env,
}
console.log(JSON.stringify(answers))
`

/** Of all that these tests have written. */
const usedBytes = (): number => Number(execFileSync('du', ['-s', '-B1', dir]).toString().split('\t')[0])

/** An archive of a thousandth of what is in it. */
function writeDense(place: string): void {
  execFileSync('sh', [
    '-c',
    `mkdir ${place} && cd ${place} && truncate -s 60M zeros && tar -czf dense.tgz zeros && rm zeros`,
  ])
}

const answers = z.object({
  doors: z.array(z.string()),
  requests: z.array(z.string()),
  host: z.string(),
  name: z.string(),
  datagram: z.string(),
  environment: z.record(z.string(), z.string()),
})

const doors = (): readonly (readonly [string, number])[] => [
  ['127.0.0.1', hostPort],
  ['127.0.0.1', otherPort],
  ['169.254.169.254', 80],
  ['10.0.0.1', 443],
  ['1.1.1.1', 443],
  ['::1', hostPort],
]

const requests = (): readonly string[] => [
  connectTo(`127.0.0.1:${otherPort}`, `host: 127.0.0.1:${hostPort}`),
  connectTo('169.254.169.254:80'),
  connectTo('localhost:4011'),
  connectTo('[::1]:443'),
  connectTo('packages.example.org:443'),
  `GET http://127.0.0.1:${otherPort}/ HTTP/1.1\r\nhost: x\r\n\r\n`,
  `POST http://169.254.169.254/ HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`,
]

describe.runIf(hasSandbox)('in the sandbox of an install', () => {
  test('the listed host is reached, and nothing else, by no way', async () => {
    const before = strangers
    process.env['QP_CANARY'] = canary
    const { socket, refused } = await open()
    const { stdout, stderr } = await runInside(probe({ doors: doors(), requests: requests() }), socket)
    delete process.env['QP_CANARY']
    const said = answers.parse(JSON.parse(stdout || JSON.stringify(stderr)))
    expect(said.host, 'the control').toBe('a package\n')
    expect(said.doors).toEqual(doors().map(() => 'refused'))
    expect(said.requests).toEqual(requests().map(() => 'HTTP/1.1 403 Forbidden'))
    expect([said.name, said.datagram]).toEqual(['refused', 'refused'])
    expect(refused()).toHaveLength(requests().length)
    expect(strangers).toBe(before)
    expect(Object.keys(said.environment).toSorted()).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'TMPDIR'])
    expect(`${stdout}${stderr}`).not.toContain(canary)
    expect(await greetDirectly(), 'outside the other server answers').toBe('hello')
  })

  test('in the sandbox after it there is no way out at all', async () => {
    const { socket } = await open()
    const { stdout, stderr } = await runInside(probe({ doors: [...doors(), ['127.0.0.1', 4011]], requests: [] }), null)
    const said = answers.parse(JSON.parse(stdout || JSON.stringify(stderr)))
    expect([...said.doors, said.host, said.name, said.datagram]).toEqual(Array(10).fill('refused'))
    expect(await greetThrough(socket, `127.0.0.1:${hostPort}`), 'while the line is there').toBe('a package\n')
  })

  test.each([
    ['one large file', 'head -c 200000000 /dev/zero > work.bin'],
    ['many files', 'i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > "big$i" || exit; done'],
    ['files that are compressed a thousandfold', 'tar -xzf dense.tgz'],
    [
      'a file that no folder names any more',
      'exec 3> gone; rm gone; i=0; while [ $i -lt 60 ]; do i=$((i+1)); head -c 1000000 /dev/zero >&3; done; sleep 15',
    ],
    ['files without a byte in them', 'mkdir many; cd many; i=0; while :; do i=$((i+1)); : > "f$i" || exit; done'],
  ])('what unpacks to more than the folder may hold ends, and nothing of it is left: %s', async (_, script) => {
    const place = join(dir, 'unpacked')
    await run({ folder, command: ['true'], bridge: null, limits })
    const before = usedBytes()
    writeDense(place)
    const narrow = { ...limits, folderBytes: 5_000_000 }
    const { ended, durationMs } = await run({
      folder: place,
      command: ['sh', '-c', script],
      bridge: null,
      limits: narrow,
    })
    expect([ended, durationMs < 10_000]).toEqual(['disk', true])
    await rm(place, { recursive: true, force: true })
    expect(usedBytes(), 'the disk is as before').toBe(before)
  })
})
