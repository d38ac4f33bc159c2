import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import type { Owner } from './owner.ts'
import { mayEnter, unprivilegedUser, weAreRoot } from './owner.ts'

/** Where the server's copy and its data are, and who runs it; `owner` null is our own user. */
export type Place = { readonly programs: string; readonly base: string; readonly owner: Owner | null }

/**
 * Decides where the server lives. A normal user has everything below `dir`. Root has the programs in
 * `/var/lib/quantapilot`, and the data below `dir` when the server's user may enter it, else in
 * `/var/lib/quantapilot/data/…`, which the file `location` in `dir` then names. Such data stays when `dir` is removed.
 */
export async function choosePlace(dir: string): Promise<Place> {
  await mkdir(dir, { recursive: true })
  const folder = await realpath(dir)
  if (!weAreRoot()) return { programs: folder, base: await ownFolder(folder), owner: null }
  await openFolder(systemFolder)
  const owner = await unprivilegedUser()
  await chmod(folder, 0o755)
  const base = await rootBase(folder, owner)
  // Data that a normal user made stays that user's when root starts the server.
  return { programs: systemFolder, base, owner: (await dataOwner(base)) ?? owner }
}

export const dataFolder = (base: string): string => join(base, 'data')

const systemFolder = '/var/lib/quantapilot'

async function rootBase(folder: string, owner: Owner): Promise<string> {
  const pointer = join(folder, 'location')
  const known = await readFile(pointer, 'utf8').catch(() => null)
  if (known === null && ((await dataOwner(folder)) !== null || (await mayEnter(owner, folder)))) return folder
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  const base = known?.trim() ?? join(systemFolder, 'data', name)
  await openFolder(join(systemFolder, 'data'))
  await openFolder(base)
  await writeFile(pointer, `${base}\n`)
  // For whoever finds the data and wonders whether it is still wanted.
  await writeFile(join(base, 'belongs-to'), `${folder}\n`)
  return base
}

async function openFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
}

async function dataOwner(base: string): Promise<Owner | null> {
  const entry = await stat(dataFolder(base)).catch(() => null)
  return entry === null || entry.uid === 0 ? null : { uid: entry.uid, gid: entry.gid }
}

async function ownFolder(folder: string): Promise<string> {
  const owner = await dataOwner(folder)
  if (owner === null || owner.uid === process.getuid?.()) return folder
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The database in ${folder} belongs to another user (uid ${owner.uid}): start QuantaPilot as root again, or set QP_STATE_DIR to a folder of your own.`,
    retryable: false,
  })
}
