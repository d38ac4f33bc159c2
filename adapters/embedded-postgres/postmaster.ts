import { readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { findProcess } from '../process/process-table.ts'

/** The server's main process as `postmaster.pid` describes it. */
export type Postmaster = {
  readonly pid: number
  /** The folder of its socket. */
  readonly host: string
  readonly port: number
  readonly status: 'starting' | 'ready' | 'stopping'
}

/**
 * The server that runs on this data directory, or null. A file left by a server that was killed, whose number another
 * program has by now (as after the restart of a container), is removed: PostgreSQL would refuse to start over it.
 */
export async function findPostmaster(data: string): Promise<Postmaster | null> {
  const file = join(data, 'postmaster.pid')
  const text = await readFile(file, 'utf8').catch(() => null)
  const postmaster = text === null ? null : parsePostmaster(text, data)
  if (postmaster === null) return null
  const entry = await findProcess(postmaster.pid)
  if (entry === null) return null
  if (entry.name === null || entry.name === 'postgres') return postmaster
  await rm(file, { force: true })
  return null
}

/** Lines: pid, data directory, start time, port, socket folder, listen address, shared memory key, status. */
export function parsePostmaster(text: string, data: string): Postmaster | null {
  const [pid, , , port, host, , , status] = text.split('\n').map((line) => line.trim())
  // The file is written in steps: what is not there yet is not up yet.
  if (!/^\d+$/.test(pid ?? '')) return null
  return {
    pid: Number(pid),
    host: host === undefined || host === '.' ? data : host,
    port: Number(port),
    status: status === 'ready' ? 'ready' : status === 'stopping' ? 'stopping' : 'starting',
  }
}

/** True when something accepts connections on the server's socket. */
export function answers({ host, port }: Postmaster): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath(host, port))
    const settle = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

/** The file through which clients reach the server whose socket folder this is. */
export const socketPath = (folder: string, port: number): string => join(folder, `.s.PGSQL.${port}`)
