import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '../../core/model/problem.ts'

/** The system user that owns the data and runs the server, because PostgreSQL refuses to run as root. */
export type Owner = { readonly uid: number; readonly gid: number }

export const weAreRoot = (): boolean => process.getuid?.() === 0

/** `postgres` where the system has that user, else `nobody`. No user is ever created. Throws a Fault without both. */
export async function unprivilegedUser(): Promise<Owner> {
  const users = await readFile('/etc/passwd', 'utf8')
  const owner = findUser(users, 'postgres') ?? findUser(users, 'nobody')
  if (owner !== null) return owner
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message:
      'PostgreSQL refuses to run as root and this system has neither a user postgres nor nobody: start QuantaPilot as a normal user, or set DATABASE_URL.',
    retryable: false,
  })
}

/** A user's ids in the text of `/etc/passwd`; root is not an answer. */
export function findUser(users: string, name: string): Owner | null {
  for (const line of users.split('\n')) {
    const [user, , uid, gid] = line.split(':')
    if (user !== name || uid === undefined || gid === undefined) continue
    // macOS writes nobody as -2; the kernel counts without a sign.
    const owner = { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
    return owner.uid === 0 ? null : owner
  }
  return null
}

/** True when the user may pass through the folder and everything above it. */
export async function mayEnter(owner: Owner, folder: string): Promise<boolean> {
  const { mode, uid, gid } = await stat(folder)
  const bit = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return false
  const parent = dirname(folder)
  return parent === folder || mayEnter(owner, parent)
}
