import { randomBytes } from 'node:crypto'
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Anchor, AnchorStore } from '../../core/keys.ts'
import { Fault } from '../../core/model/problem.ts'
import { makeFolder } from '../process/make-folder.ts'
import { inFolder, syncFolder, unless } from './folder.ts'

/**
 * The latest anchor of the audit as one file of the folder of keys. It is replaced whole, so that any number of processes
 * read one that was true; of two that write at once the later rename stays, and both are true.
 */
export function openAnchorFile(dir: string): AnchorStore {
  const place = join(dir, 'audit-anchor')
  const latest = (): Promise<Anchor | null> =>
    inFolder(place, async (path) => {
      const text = await readFile(path, 'utf8').catch(unless('ENOENT'))
      return text === undefined ? null : parseAnchor(path, text)
    })
  return {
    place,
    latest,
    keep: async (anchor) => {
      const there = await latest()
      if (there === null || there.seq <= anchor.seq) await inFolder(place, (path) => replace(path, anchor))
    },
  }
}

const anchorLine = z.object({
  seq: z.int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime(),
})

function parseAnchor(path: string, text: string): Anchor {
  try {
    const { at, ...entry } = anchorLine.parse(JSON.parse(text))
    return { ...entry, at: new Date(at) }
  } catch (cause) {
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `${path} is no anchor of the audit: put this file back from the backup of the keys, or move it away, and the audit counts from now on as it is.`,
      retryable: false,
      cause,
    })
  }
}

async function replace(path: string, { seq, hash, at }: Anchor): Promise<void> {
  await makeFolder(dirname(path), 0o700)
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify({ seq, hash, at: at.toISOString() })}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, path).catch(async (error: unknown) => {
    await unlink(draft)
    throw error
  })
  await syncFolder(dirname(path))
}
