import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SandboxOrder, SandboxResult } from '../../core/workshop.ts'
import { runProcess, startProcess } from '../process/run.ts'
import { groupFolders } from './group.ts'
import { hasSandbox } from '../../test/support/has-sandbox.ts'
import { createBubblewrap } from './sandbox.ts'
import { filterFor, refusedCalls } from './seccomp.ts'

const canary = 'CANARY-7d1f0c55'
let dir: string
let folder: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sandbox-test-'))
  folder = join(dir, 'work')
  await mkdir(folder)
  await writeFile(join(dir, 'secret.txt'), canary)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const sandbox = () => createBubblewrap({ stateDir: join(dir, 'state'), path: '/usr/bin:/bin' })
const usual = {
  timeoutMs: 30_000,
  memoryBytes: 400_000_000,
  processes: 200,
  outputBytes: 200_000,
  scratchBytes: 20_000_000,
  folderBytes: 30_000_000,
}

const orderOf = (command: readonly string[], more: Partial<SandboxOrder> = {}): SandboxOrder => ({
  folder,
  command,
  env: {},
  stdin: null,
  mounts: [],
  bridge: null,
  limits: usual,
  ...more,
})

const run = (script: string, more: Partial<SandboxOrder> = {}): Promise<SandboxResult> =>
  sandbox().run(orderOf(['sh', '-c', script], more), new AbortController().signal)

/** Where bubblewrap is missing, the run says so at its end; nothing here passes by not being run. */
const isGrouped = process.getuid?.() === 0 && (await groupFolders()).length > 0

describe.runIf(hasSandbox)('in the sandbox', () => {
  test('a program sees its folder, the system’s programs, and nothing else of the host', async () => {
    process.env['QP_CANARY'] = canary
    const places = [
      `${dir}/secret.txt`,
      '/root',
      '/home',
      '/etc/shadow',
      '/etc/passwd',
      '/etc/ssl/private',
      '/proc/1/environ',
      '/proc/1/root/etc/shadow',
      '/proc/self/root/root',
      '/proc/self/cwd/../secret.txt',
      '/work/../secret.txt',
      '/var',
      '/run',
      '/srv',
      '/mnt',
      '/opt',
      '/sys',
      '/boot',
      '/dev/sda',
      '/dev/mem',
      '/dev/kmsg',
      '/proc/kcore',
      '/proc/kmsg',
      '/proc/sysrq-trigger',
      '/tmp',
      '/run/secrets',
      '/proc/2/environ',
      `/proc/${process.pid}/environ`,
      `/proc/${process.pid}/cmdline`,
    ]
    const script = `${places.map((place) => `cat ${place} 2>/dev/null; cat ${place}/* 2>/dev/null`).join('; ')}; env; ls -R / 2>/dev/null | grep -c . ; find / -xdev -name 'secret.txt' 2>/dev/null`
    const { stdout, stderr } = await run(script)
    delete process.env['QP_CANARY']
    expect(`${stdout}${stderr}`).not.toContain(canary)
    expect(stdout).not.toContain('secret.txt')
    expect(await readFile(join(dir, 'secret.txt'), 'utf8'), 'outside it is there').toBe(canary)
    expect(places.length).toBeGreaterThanOrEqual(25)
  })

  test('the environment is empty but for what was ordered, and no command line of ours holds any of it', async () => {
    const { stdout } = await run('env | sort; tr "\\0" " " < /proc/1/cmdline', { env: { WANTED: 'yes' } })
    const names = stdout.split('\n').flatMap((line) => /^([A-Z_]+)=/.exec(line)?.[1] ?? [])
    expect(names).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'TMPDIR', 'WANTED'])
    expect(stdout).not.toContain(canary)
  })

  test.runIf(existsSync('/etc/ssl/certs'))(
    'it knows the authorities that the host trusts, and none of its keys',
    async () => {
      const { stdout } = await run('ls /etc/ssl/certs | head -1 | wc -l; ls /etc/ssl; touch /etc/ssl/certs/x 2>&1')
      expect(stdout).toMatch(/^1\ncerts\n.*Read-only file system/s)
    },
  )

  test('what it writes in its folder is there, and it can write nowhere else that lasts', async () => {
    const { stdout } = await run(
      'echo made > made.txt; for d in / /usr /etc /dev /proc /usr/bin; do touch $d/x 2>/dev/null && echo "wrote $d"; done; touch /tmp/x "$HOME/x" && echo scratch',
    )
    expect(stdout).toBe('scratch\n')
    expect(await readFile(join(folder, 'made.txt'), 'utf8')).toBe('made\n')
  })

  describe('with a listener on the host', () => {
    let server: Server
    let port: number
    let connections = 0
    beforeAll(async () => {
      server = createServer((socket) => {
        connections++
        socket.end('hello')
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      port = (server.address() as { port: number }).port
    })
    afterAll(() => server.close())

    const knock = (host: string, at: number) =>
      `timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${at} && cat <&3' 2>/dev/null && echo "reached ${host}"`

    test('no connection leaves it', async () => {
      const script = [
        knock('127.0.0.1', port),
        knock('169.254.169.254', 80),
        knock('10.0.0.1', 80),
        knock('1.1.1.1', 53),
        'ls /sys/class/net 2>/dev/null',
        'cat /proc/net/dev | grep -v lo: | tail -n +3',
      ].join('; ')
      const { stdout } = await run(script)
      expect([stdout, connections]).toEqual(['', 0])
      const outside = await runProcess({
        command: 'bash',
        args: ['-c', knock('127.0.0.1', port)],
        cwd: '/',
        env: { PATH: '/usr/bin:/bin' },
        timeoutMs: 5_000,
        maxOutputBytes: 1_000,
      })
      expect(outside.stdout.toString(), 'the control').toContain('reached')
    })

    test('but through the one socket it was given', async () => {
      const socket = join(dir, 'bridge.sock')
      const answering = createServer((connection) => connection.end('through'))
      await new Promise<void>((resolve) => answering.listen(socket, resolve))
      const { stdout, exitCode } = await run(`${knock('127.0.0.1', 4010)}; exit 3`, { bridge: { socket, port: 4010 } })
      answering.close()
      expect([stdout, exitCode]).toEqual(['throughreached 127.0.0.1\n', 3])
    })
  })

  test.each([
    ['time', 'sleep 60', { timeoutMs: 300 }],
    ['output', 'yes', {}],
    ['memory', `node -e 'const a = []; setInterval(() => a.push(Buffer.alloc(3e7, 1)), 5)'`, {}],
    ['disk', 'i=0; while :; do : > empty$((i=i+1)); done', { folderBytes: 4_000_000 }],
    [
      'disk',
      `python3 -c 'import os\nwhile True:\n os.mkdir("a" * 200)\n os.chdir("a" * 200)'; sleep 60`,
      { folderBytes: 4_000_000_000 },
    ],
    ['disk', 'i=0; while :; do i=$((i+1)); head -c 3000000 /dev/zero > big$i; done', {}],
  ] as const)('%s ends what takes too much: %s', async (ended, script, limits) => {
    const before = process.memoryUsage.rss()
    const result = await run(script, { limits: { ...usual, ...limits } })
    expect(result.ended).toBe(ended)
    expect(result.durationMs).toBeLessThan(usual.timeoutMs)
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000)
    execFileSync('sh', ['-c', `rm -rf '${folder}'/*`])
  })

  test('a program that multiplies is held to its number, and the host goes on', async () => {
    const going = run('bash -c "bomb() { bomb | bomb & }; bomb; sleep 2" 2>/dev/null')
    const outside = await run('echo still here')
    expect(outside.stdout).toBe('still here\n')
    expect((await going).durationMs).toBeLessThan(usual.timeoutMs)
    expect(execFileSync('sh', ['-c', 'ps ax -o args= | grep -c "[b]omb" || true']).toString()).toBe('0\n')
  })

  test('what runs out of memory ends with all that runs beside it', async () => {
    const result = await run(
      `python3 -c 'import time; all = b"1" * 1000000000; time.sleep(60)'; echo went on; sleep 60`,
    )
    expect(result).toMatchObject({ ended: 'memory', exitCode: 137 })
  })

  test.runIf(isGrouped)('it comes behind others who want the processors', async () => {
    const going = run('nice; sleep 1')
    const weights = `find /sys/fs/cgroup -path '*/quantapilot.*-${process.pid}-*/cpu.*' '(' -name cpu.shares -o -name cpu.weight ')' -exec cat {} +`
    const said = () => execFileSync('sh', ['-c', `${weights} || true`]).toString()
    await expect.poll(said, { timeout: 5_000 }).toMatch(/^(256|25)\n$/)
    expect((await going).stdout).toBe('10\n')
  })

  test('nothing of it is left when it has ended, whatever it has begun', async () => {
    const mark = `7${process.pid}31`
    await run(
      `setsid sleep ${mark} & nohup sleep ${mark} & (sh -c 'sleep ${mark} &' &); bash -c 'disown -a; sleep ${mark} &'; exit 0`,
    )
    expect(survivors(mark)).toBe('')
  })

  test('nothing of it is left when the process that began it is killed', async () => {
    const mark = `9${process.pid}33`
    const order = JSON.stringify(orderOf(['sh', '-c', `setsid sleep ${mark} & echo; sleep ${mark}`]))
    const code = `import { groupFolders } from './group.ts'
import { createBubblewrap } from ${JSON.stringify(join(import.meta.dirname, 'sandbox.ts'))}
      await createBubblewrap(${JSON.stringify({ stateDir: join(dir, 'state'), path: '/usr/bin:/bin' })}).run(${order}, new AbortController().signal)`
    const args = ['--input-type=module', '-e', code]
    const worker = await startProcess({ command: process.execPath, args, cwd: dir, env: {} })
    await expect.poll(() => survivors(mark).split('\n').length, { timeout: 5_000 }).toBeGreaterThan(1)
    await worker.kill({ signal: 'SIGKILL' })
    await expect.poll(() => survivors(mark), { timeout: 5_000 }).toBe('')
  })

  test('nothing of it is left when it is called off', async () => {
    const mark = `8${process.pid}32`
    const stop = new AbortController()
    const going = sandbox().run(orderOf(['sh', '-c', `setsid sleep ${mark}`]), stop.signal)
    stop.abort(new Error('called off'))
    await expect(going).rejects.toThrow('called off')
    expect(survivors(mark)).toBe('')
  })

  test('has no new privileges, no capability, a filter, and none of the calls that reach the kernel’s depths', async () => {
    const { stdout } = await run(
      'grep -E "^(NoNewPrivs|CapEff|CapBnd|Seccomp):" /proc/self/status; ulimit -c; unshare -Ur true 2>&1 | head -1; mount -t tmpfs x /tmp 2>&1 | head -1; python3 -c "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)" 2>&1 | tail -1',
    )
    expect(stdout.replaceAll('\t', ' ').split('\n').slice(0, 5)).toEqual(
      ['CapBnd: 0000000000000000', 'CapEff: 0000000000000000', 'NoNewPrivs: 1', 'Seccomp: 2', '0'].toSorted(
        (one, other) => order.indexOf(one.split(':')[0] ?? '') - order.indexOf(other.split(':')[0] ?? ''),
      ),
    )
    expect(stdout).toMatch(/unshare.*Operation not permitted/)
    expect(stdout).toMatch(/Address family not supported|not found/)
  })

  test.runIf(process.arch === 'x64')('refuses each of those calls by number', async () => {
    const numbers = Object.values(refusedCalls).flatMap(({ x64 }) => (x64 === null ? [] : [x64]))
    const script = `import ctypes,sys\nlibc=ctypes.CDLL(None,use_errno=True)\nfor n in ${JSON.stringify(numbers)}:\n ctypes.set_errno(0)\n r=libc.syscall(n,0,0,0,0,0,0)\n print(n,r,ctypes.get_errno())\nfor n in [435,425]:\n ctypes.set_errno(0)\n r=libc.syscall(n,0,0,0,0,0,0)\n print(n,r,ctypes.get_errno())`
    const { stdout } = await sandbox().run(orderOf(['python3', '-c', script]), new AbortController().signal)
    const answers = stdout.trim().split('\n')
    expect(answers).toEqual([...numbers.map((number) => `${number} -1 1`), '435 -1 38', '425 -1 38'])
  })
})

const order = ['CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp', '0']

const survivors = (mark: string): string =>
  execFileSync('sh', ['-c', `ps ax -o args= | grep '[s]leep ${mark}' || true`]).toString()

test('without bubblewrap nothing runs, and it is said what to install', async () => {
  const none = createBubblewrap({ stateDir: join(dir, 'state'), path: '/nonexistent' })
  expect(await none.missing()).toMatch(/bubblewrap is not installed.*apt-get install bubblewrap/s)
  await expect(none.run(orderOf(['true']), new AbortController().signal)).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  })
})

test('the filter is a whole number of instructions, and there is none for processors we do not know', () => {
  expect(filterFor('x64').length % 8).toBe(0)
  expect(filterFor('arm64').length).toBeGreaterThan(400)
  expect(() => filterFor('riscv64')).toThrow('run on x64 or arm64')
})
