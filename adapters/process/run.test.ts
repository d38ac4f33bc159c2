import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { runProcess, startProcess } from './run.ts'

const limits = { cwd: tmpdir(), timeoutMs: 20_000, maxOutputBytes: 1_000_000 }
const node = (script: string) => ({ ...limits, command: process.execPath, args: ['-e', script] })

/** A child that starts a grandchild, both deaf to SIGTERM when asked, and writes the grandchild's id. */
const family = (deaf: boolean) => `
  const { spawn } = require('node:child_process')
  const wait = "${deaf ? "process.on('SIGTERM', () => {});" : ''} setInterval(() => {}, 1000); process.stdout.write('up')"
  ${deaf ? "process.on('SIGTERM', () => {})" : ''}
  const grandchild = spawn(process.execPath, ['-e', wait], { stdio: ['ignore', 'pipe', 'inherit'] })
  grandchild.stdout.once('data', () => process.stdout.write(grandchild.pid + '\\n'))
  setInterval(() => {}, 1000)`

/** Whether a process still runs; one that waits to be reaped by init does not. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = `/proc/${pid}/stat`
  return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, 'utf8'))
}

describe('running a program to its end', () => {
  it('returns both outputs and the exit code', async () => {
    const result = await runProcess(
      node('process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 3'),
    )
    expect({ ...result, stdout: result.stdout.toString() }).toEqual({ exitCode: 3, stdout: 'out', stderr: 'err' })
  })

  it('hands over bytes on standard input and nothing of our own environment', async () => {
    const script = 'process.stdin.pipe(process.stdout); process.stderr.write(JSON.stringify(process.env))'
    const result = await runProcess({ ...node(script), stdin: Buffer.from([0, 255, 13, 10]), env: { ONLY: 'this' } })
    expect([...result.stdout]).toEqual([0, 255, 13, 10])
    expect(JSON.parse(result.stderr)).toEqual({ ONLY: 'this' })
  })

  it('never lets a shell read the arguments', async () => {
    const result = await runProcess({
      ...node('process.stdout.write(process.argv[1])'),
      args: ['-e', 'process.stdout.write(process.argv[1])', '$(id); `id` && echo *'],
    })
    expect(result.stdout.toString()).toBe('$(id); `id` && echo *')
  })

  it('survives a program that ends without reading its input', async () => {
    const result = await runProcess({ ...node('process.exit(4)'), stdin: Buffer.alloc(5_000_000) })
    expect(result.exitCode).toBe(4)
  })

  it('says how to install a program that is missing', async () => {
    const missing = { ...limits, command: 'no-such-program', args: [], whenMissing: 'git is not installed: install it' }
    await expect(runProcess(missing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      retryable: false,
      message: 'git is not installed: install it',
    })
  })

  it('tells a missing folder from a missing program', async () => {
    const missing = { ...node(''), cwd: '/no/such/folder' }
    await expect(runProcess(missing)).rejects.toThrow('There is no folder /no/such/folder to start')
  })

  it('stops a program that writes too much', async () => {
    const flood = { ...node('for (;;) require("node:fs").writeSync(1, "x".repeat(65536))'), maxOutputBytes: 100_000 }
    await expect(runProcess(flood)).rejects.toMatchObject({ code: 'TOOL_FAILURE', retryable: false })
  })

  it('keeps the end of a long complaint', async () => {
    const result = await runProcess(node('process.stderr.write("x".repeat(300000) + "the reason")'))
    expect(result.stderr.length).toBe(64 * 1024)
    expect(result.stderr.endsWith('the reason')).toBe(true)
  })

  it('ends the whole tree when time is up', async () => {
    await expect(runProcess({ ...node(family(false)), timeoutMs: 300 })).rejects.toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      retryable: true,
    })
  })

  it('starts nothing when it is already called off', async () => {
    const signal = AbortSignal.abort(new Error('called off'))
    await expect(runProcess({ ...node(''), command: 'no-such-program', signal })).rejects.toThrow('called off')
  })

  it('leaves no grandchild behind when the program ends by itself', async () => {
    const script = `const { spawn } = require('node:child_process')
      const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
      process.stdout.write(String(idle.pid), () => process.exit(0))`
    const result = await runProcess(node(script))
    await expect.poll(() => isAlive(Number(result.stdout))).toBe(false)
  })
})

describe('a long-lived child', () => {
  it('is ended with all its children, even when they ignore the request', async () => {
    const child = await startProcess({ ...node(family(true)), stdout: 'pipe', detached: true })
    const grandchild = await new Promise<number>((resolve) =>
      child.stdout?.once('data', (line) => resolve(Number(line))),
    )
    expect(isAlive(grandchild)).toBe(true)
    expect(await child.kill({ graceMs: 100 })).toEqual({ exitCode: 128 + 9 })
    await expect.poll(() => isAlive(grandchild)).toBe(false)
    expect(await child.kill()).toEqual({ exitCode: 128 + 9 })
  })

  it('reports its exit code, and its pipes only where asked for', async () => {
    const child = await startProcess({ ...node('process.exit(7)'), stderr: 'pipe' })
    expect(child.stdout).toBeNull()
    expect(child.stderr).not.toBeNull()
    expect(await child.exited).toEqual({ exitCode: 7 })
  })

  it.runIf(process.getuid?.() === 0)('can run as another user', async () => {
    const result = await runProcess({
      // Not the project's own Node: the checkout may lie where only root may enter.
      ...node(''),
      command: '/usr/bin/id',
      args: ['-u'],
      cwd: '/',
      uid: 65534,
      gid: 65534,
    })
    expect(result.stdout.toString().trim()).toBe('65534')
  })
})
