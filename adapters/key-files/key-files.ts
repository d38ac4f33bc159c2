import { randomBytes } from 'node:crypto'
import { link, open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeFolder } from '../process/make-folder.ts'
import type { KeyStore } from '../../core/keys.ts'
import type { Fault } from '../../core/model/problem.ts'
import { inFolder, refusal, syncFolder, unless } from './folder.ts'

/** How long a key is remembered: other processes feel its destruction at the latest then. */
const rememberedMs = 30_000

const mostRemembered = 10_000

const keyBytes = 32

/** Keys as files of one folder that only this user may enter. Nothing is made or read before it is asked for. */
export function openKeyFiles(dir: string, clock: () => number = () => performance.now()): KeyStore {
  const remembered = new Map<string, { readonly key: Uint8Array; readonly until: number }>()
  const remember = (name: string, key: Uint8Array): Uint8Array => {
    if (remembered.size >= mostRemembered) remembered.clear()
    remembered.set(name, { key, until: clock() + rememberedMs })
    return key
  }
  const recall = (name: string): Uint8Array | null => {
    const known = remembered.get(name)
    if (known && known.until > clock()) return known.key
    remembered.delete(name)
    return null
  }
  const read = async (name: string): Promise<Uint8Array | null> => {
    const key = await readKey(join(dir, name))
    return key && remember(name, key)
  }
  const find = async (name: string): Promise<Uint8Array | null> => recall(name) ?? (await read(name))
  const made = async (name: string): Promise<Uint8Array> => {
    await makeKey(join(dir, name))
    return (await read(name)) ?? Promise.reject(missing(join(dir, name)))
  }
  return {
    get: async (subject) => {
      const name = nameOf(subject)
      const known = recall(name)
      if (known) return known
      // A backup that was put back may hold a key that was destroyed since.
      if (await exists(join(dir, name + destroyed))) return null
      return (await read(name)) ?? Promise.reject(missing(join(dir, name)))
    },
    make: async (subject) => {
      const name = nameOf(subject)
      const known = recall(name)
      if (known) return known
      if (await exists(join(dir, name + destroyed))) throw gone(subject)
      return (await read(name)) ?? made(name)
    },
    destroy: async (subject) => {
      const name = nameOf(subject)
      remembered.delete(name)
      await writeOnce(join(dir, name + destroyed), new Uint8Array())
      await inFolder(join(dir, name), async (path) => {
        await unlink(path).catch(unless('ENOENT'))
        await syncFolder(dirname(path))
      })
    },
    destroyed: () => listDestroyed(dir),
    lookup: async (mayMake) =>
      (await find('lookup')) ?? (mayMake ? made('lookup') : Promise.reject(missing(join(dir, 'lookup')))),
  }
}

/** Says that a key was destroyed, beside the place where it was. */
const destroyed = '.destroyed'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Two levels by the last digits: the first ones of our ids are the time, and the same for years. */
function nameOf(subject: string): string {
  if (!uuid.test(subject)) throw new TypeError(`${subject} is no subject of a key`)
  return join(subject.slice(-2), subject.slice(-4, -2), subject)
}

/** Two levels down, a folder of the first level at a time. */
const listDestroyed = (dir: string): Promise<string[]> =>
  inFolder(dir, async () => {
    const found: string[] = []
    for (const first of await foldersIn(dir)) {
      const folders = await foldersIn(join(dir, first))
      const names = await Promise.all(folders.map((second) => readdir(join(dir, first, second))))
      found.push(...names.flat().filter((name) => name.endsWith(destroyed)))
    }
    return found.map((name) => basename(name, destroyed)).filter((subject) => uuid.test(subject))
  })

async function foldersIn(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch(unless('ENOENT'))
  return (names ?? []).filter((name) => /^[0-9a-f]{2}$/.test(name))
}

const readKey = (file: string): Promise<Uint8Array | null> =>
  inFolder(file, async (path) => {
    const key = await readFile(path).catch(unless('ENOENT'))
    if (key && key.byteLength !== keyBytes) throw damaged(path)
    return key ?? null
  })

const makeKey = (file: string): Promise<void> => writeOnce(file, randomBytes(keyBytes))

/**
 * Writes a whole file that was not there; one that is there stays as it is. It appears under its name by a link, which
 * fails where a rename would put a second key in the place of the first.
 */
const writeOnce = (file: string, bytes: Uint8Array): Promise<void> =>
  inFolder(file, async (path) => {
    const folder = dirname(path)
    await makeFolder(folder, 0o700)
    const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    try {
      await link(draft, path).catch(unless('EEXIST'))
    } finally {
      await unlink(draft)
    }
    await syncFolder(folder)
    await syncFolder(dirname(folder))
    await syncFolder(dirname(dirname(folder)))
  })

const exists = (file: string): Promise<boolean> =>
  inFolder(file, async (path) => (await stat(path).catch(unless('ENOENT'))) !== undefined)

const missing = (path: string): Fault =>
  refusal(
    `The key ${path} is missing, and what it sealed cannot be read without it: put the folder of keys back from its backup, or set QP_KEYS_DIR to where it is.`,
  )

const damaged = (path: string): Fault =>
  refusal(`The key ${path} is damaged: put this file back from the backup of the keys.`)

const gone = (subject: string): Fault =>
  refusal(`The key of ${subject} was destroyed, so nothing more is kept about them.`)
