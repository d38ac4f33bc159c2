import { access, constants, mkdtemp, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory, where Linux has one. */
const memory = '/dev/shm'

/** What all tests of a run need there at once, several times over. */
const roomBytes = 4 * 1024 ** 3

/**
 * A new folder for a test's databases and repositories: in memory where there is room, because making a database is
 * making three hundred files. For data only; such places often let no program run. The caller removes it.
 */
export async function makeScratch(prefix: string): Promise<string> {
  return await mkdtemp(join((await isRoomy(memory)) ? memory : tmpdir(), prefix))
}

/** Where `makeScratch` may have made folders. */
export const scratchRoots = (): readonly string[] => [memory, tmpdir()]

async function isRoomy(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK)
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize > roomBytes
  } catch {
    return false
  }
}
