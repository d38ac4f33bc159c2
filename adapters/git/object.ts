import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'

const headerOf = (bytes: Uint8Array): Buffer => Buffer.from(`blob ${bytes.length}\0`)

/** The id that git gives to the bytes: 40 hex digits. */
export const blobIdOf = (bytes: Uint8Array): string =>
  createHash('sha1').update(headerOf(bytes)).update(bytes).digest('hex')

/**
 * Stores bytes as they are in a git directory of our own, and answers with their id. In the form that git itself gives to a
 * single object, so that no process has to be started for each file.
 */
export async function storeBlob(gitDir: string, bytes: Uint8Array): Promise<string> {
  const id = blobIdOf(bytes)
  const path = join(gitDir, 'objects', id.slice(0, 2), id.slice(2))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, await promisify(deflate)(Buffer.concat([headerOf(bytes), bytes])))
  return id
}
