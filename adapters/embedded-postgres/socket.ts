import { createHash } from 'node:crypto'
import { chown, lstat, mkdir, rmdir } from 'node:fs/promises'
import { Fault } from '../../core/model/problem.ts'
import type { Owner } from './owner.ts'
import { socketPath } from './postmaster.ts'
import { port } from './settings.ts'

/**
 * The folder for the server's socket, as the server is told: the data directory, which only its user may enter, or a
 * folder of the same kind in `/tmp` when the path is too long for a socket.
 */
export async function openSocketFolder(data: string, owner: Owner | null): Promise<string> {
  if (Buffer.byteLength(socketPath(data, port)) <= maxSocketPathBytes) return '.'
  const folder = shortFolder(data)
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined)
  const entry = await lstat(folder)
  const uid = owner?.uid ?? process.getuid?.()
  if (!entry.isDirectory() || (entry.uid !== uid && entry.uid !== process.getuid?.()) || (entry.mode & 0o077) !== 0) {
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `${folder} is needed for the database's socket and belongs to somebody else: remove it, or set QP_STATE_DIR to a shorter path.`,
      retryable: false,
    })
  }
  if (owner !== null) await chown(folder, owner.uid, owner.gid)
  return folder
}

/** Takes back what `openSocketFolder` made, once the server has stopped. */
export async function closeSocketFolder(data: string): Promise<void> {
  await rmdir(shortFolder(data)).catch(() => undefined)
}

const shortFolder = (data: string): string => `/tmp/qp-${createHash('sha256').update(data).digest('hex').slice(0, 16)}`

/** The kernel holds 104 (macOS) to 108 bytes of a socket's path. */
const maxSocketPathBytes = 100
