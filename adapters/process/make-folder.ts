import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder, and what is missing above it. Node's own way of doing so never ends where there is a parent and yet no
 * folder can be made in it, as in `/proc`; here that is the error which the system gave.
 */
export async function makeFolder(folder: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(folder, { mode })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'EEXIST') return await mustBeFolder(folder)
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder), mode)
    await mkdir(folder, { mode }).catch((again: unknown) => {
      // Somebody else was as quick.
      if (!(again instanceof Error && 'code' in again && again.code === 'EEXIST')) throw again
    })
  }
}

/** Fails as for any folder where a file stands in its place. */
const mustBeFolder = async (folder: string): Promise<void> => void (await mkdir(folder, { recursive: true }))
