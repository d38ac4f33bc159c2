import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  enterRoom,
  faultOf,
  type GitHost,
  git,
  makeRepository,
  optionsIn,
  type Room,
  startGitHost,
  visitor,
} from './source-control.fixtures.ts'
import { locate, reach } from './remote.ts'
import { createGitSourceControl } from './source-control.ts'
import type { GitSourceControlOptions } from './tools.ts'

const { signal } = new AbortController()

let room: Room
let host: GitHost

beforeAll(async () => {
  room = await enterRoom()
  await makeRepository(join(room.path, 'seed'))
  await git(room.path, ['clone', '-q', '--bare', 'seed', 'shop.git'])
  await git(room.path, ['init', '-q', '--bare', 'empty.git'])
  host = await startGitHost(room.path)
})
afterAll(async () => {
  await host.close()
  await room.leave()
})

const options = (more: Partial<GitSourceControlOptions> = {}): GitSourceControlOptions => ({
  ...optionsIn(room.path),
  allowedHosts: ['localhost', '127.0.0.1'],
  caFile: host.caFile,
  credentialFor: () => Promise.resolve(visitor),
  ...more,
})

const take = (address: string, more: Partial<GitSourceControlOptions> = {}, until = signal) =>
  createGitSourceControl(options(more)).snapshot({ address, branch: null }, until)

const faultAt = (path: string, more: Partial<GitSourceControlOptions> = {}) => faultOf(take(host.url + path, more))

describe('an https host', () => {
  it('is not let in without a credential, or with a wrong one, and no secret is repeated', async () => {
    const wrong = { username: 'x', password: 'canary-wrong-9d1' }
    for (const credentialFor of [() => Promise.resolve(null), () => Promise.resolve(wrong)]) {
      const fault = await faultAt('/shop.git', { credentialFor })
      expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
      expect(fault.message).toContain('did not let us in')
      expect(fault.message).not.toContain('canary')
    }
  })

  it('lets in who is named in the home folder', async () => {
    const home = join(room.path, 'home')
    await mkdir(home)
    await writeFile(join(home, '.netrc'), `machine localhost login ${visitor.username} password ${visitor.password}\n`)
    const env = { ...optionsIn(room.path).env, HOME: home }
    const credentialFor = () => Promise.resolve(null)
    expect(await take(`${host.url}/shop.git`, { env, credentialFor })).toMatchObject({ name: 'shop' })
  })

  it('says that there is nothing', async () => {
    const fault = await faultAt('/nowhere.git')
    expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
    expect(fault.message).toContain(`There is no git repository at ${host.url}/nowhere.git`)
    expect((await faultAt('/empty.git')).message).toContain('has no commits yet: commit a README.md first')
  })

  it('is not followed elsewhere', async () => {
    expect(await faultAt('/moved.git')).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
  })

  it('may refuse the branch, and its words are passed on', async () => {
    const hook = join(room.path, 'shop.git', 'hooks', 'pre-receive')
    await mkdir(join(room.path, 'shop.git', 'hooks'), { recursive: true })
    await writeFile(hook, '#!/bin/sh\nexit 1\n')
    await chmod(hook, 0o755)
    const source = createGitSourceControl(options())
    const snapshot = await source.snapshot({ address: `${host.url}/shop.git`, branch: null }, signal)
    const request = { snapshot, branch: 'quantapilot/r1/docs', message: 'm', at: '2026-01-01T00:00:00Z', key: 'k' }
    const fault = await faultOf(source.commit({ ...request, files: [] }, signal))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain('allow branches named quantapilot/*')
    expect(fault.message).toContain('pre-receive hook declined')
  })

  it('is tried again when it is broken for the moment', async () => {
    expect(await faultAt('/broken.git')).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
  })

  it('is not trusted with a certificate nobody vouches for', async () => {
    const fault = await faultAt('/shop.git', { caFile: '/dev/null' })
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain("give the file of your company's CA")
  })

  it('may be named by its number when that is allowed', async () => {
    const address = `https://127.0.0.1:${new URL(host.url).port}/shop.git`
    expect(await take(address)).toMatchObject({ name: 'shop', branch: 'main' })
  })

  it('is reached at the addresses that were checked, whatever its name leads to a moment later', async () => {
    const place = await locate(`${host.url}/shop.git`, options())
    const { call } = await reach(place, options(), { write: false, signal })
    const pin = new RegExp(`^http\\.curloptResolve=localhost:${new URL(host.url).port}:127\\.0\\.0\\.1`)
    expect(call.config).toContainEqual(expect.stringMatching(pin))
    expect(JSON.stringify(call.config)).not.toContain(visitor.password)
    // Two walls: the token is for this host alone, and nobody is followed to another.
    expect(call.env).toMatchObject({ GIT_CONFIG_KEY_0: `http.${host.url}/.extraHeader` })
    expect(call.config).toContain('http.followRedirects=false')
  })

  it('may not be on this machine or a private network unless it is allowed by name', async () => {
    const fault = await faultAt('/shop.git', { allowedHosts: null })
    expect(fault).toMatchObject({ code: 'VALIDATION_ERROR', retryable: false })
    expect(fault.message).toMatch(/^localhost leads to (?:127\.0\.0\.1|::1), which is not public/)
    expect((await faultAt('/shop.git', { allowedHosts: ['github.com'] })).message).toContain(
      'The host localhost is not allowed',
    )
  })
})

describe('a host that does not answer', () => {
  let server: Server
  const sockets: Socket[] = []
  const listen = () =>
    new Promise<string>((resolve) => {
      server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(`https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/shop.git`)
      })
    })
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    server.close()
  })

  it('is given up after the time allowed, to be tried again', async () => {
    const fault = await faultOf(take(await listen(), { gitTimeoutMs: 400 }))
    expect(fault).toMatchObject({ code: 'UPSTREAM_TIMEOUT', retryable: true })
  })

  it('keeps nobody waiting or failing but who asked', async () => {
    const source = createGitSourceControl(options())
    const controller = new AbortController()
    const first = source.snapshot({ address: await listen(), branch: null }, controller.signal)
    const second = source.snapshot({ address: `${host.url}/shop.git`, branch: null }, signal)
    controller.abort(new Error('cancelled'))
    await expect(first).rejects.toThrow('cancelled')
    expect(await second).toMatchObject({ name: 'shop' })
  })

  it('is left at once when the run is cancelled, and git goes with its children', async () => {
    const address = await listen()
    const controller = new AbortController()
    const taken = take(address, {}, controller.signal)
    await expect.poll(() => sockets.length).toBe(1)
    const gone = new Promise((resolve) => sockets[0]?.resume().once('close', resolve))
    controller.abort(new Error('cancelled'))
    await expect(taken).rejects.toThrow('cancelled')
    await gone
  })

  it('is tried again when it refuses the connection', async () => {
    const address = await listen()
    await new Promise((resolve) => server.close(resolve))
    expect(await faultOf(take(address))).toMatchObject({ code: 'TRANSIENT_NETWORK', retryable: true })
  })
})

describe('an ssh host', () => {
  const shamSsh = async (script: string) => {
    const bin = join(room.path, `bin-${script.length}`)
    await mkdir(bin, { recursive: true })
    await writeFile(join(bin, 'ssh'), `#!/bin/sh\nprintf '%s\\n' "$@" >'${join(room.path, 'ssh-args')}'\n${script}\n`)
    await chmod(join(bin, 'ssh'), 0o755)
    return { env: { PATH: `${bin}:${optionsIn(room.path).env.PATH}` } }
  }

  it('is reached at the address that was checked, asks nobody, and is known by its name', async () => {
    const more = await shamSsh('echo "git@localhost: Permission denied (publickey)." >&2; exit 255')
    const fault = await faultOf(take('ssh://git@localhost:2222/shop.git', more))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain('the key in the ssh agent')
    const args = (await readFile(join(room.path, 'ssh-args'), 'utf8')).split('\n')
    expect(args).toEqual(
      expect.arrayContaining(['BatchMode=yes', 'HostName=127.0.0.1', 'HostKeyAlias=[localhost]:2222']),
    )
  })

  it('must be known', async () => {
    const more = await shamSsh('echo "Host key verification failed." >&2; exit 255')
    const fault = await faultOf(take('git@localhost:shop.git', more))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toContain('connect once by hand')
  })
})

describe('git itself', () => {
  it('is asked for when it is not installed', async () => {
    const fault = await faultOf(take(join(room.path, 'seed'), { env: { PATH: '/nonexistent' } }))
    expect(fault).toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false })
    expect(fault.message).toBe('git is not installed: install git 2.32 or newer')
  })

  it('is asked for when it is too old', async () => {
    const bin = join(room.path, 'old')
    await mkdir(bin)
    await writeFile(join(bin, 'git'), '#!/bin/sh\necho git version 2.17.1\n')
    await chmod(join(bin, 'git'), 0o755)
    const fault = await faultOf(take(join(room.path, 'seed'), { env: { PATH: bin } }))
    expect(fault.message).toBe('git 2.17 is too old: install git 2.32 or newer')
  })
})
