import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Text files of a folder tree with one of the endings, as paths relative to it. Links are not followed. */
export async function readTexts(root: string, endings: readonly string[]): Promise<{ path: string; text: string }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted()
  return Promise.all(
    paths.map(async (path) => ({
      path: path.slice(root.length).replace(/^\//, ''),
      text: await readFile(path, 'utf8'),
    })),
  )
}

/** Writes files below a folder, each by a rename, so that a reader never sees half of one. */
export async function writeFiles(
  root: string,
  files: readonly { readonly path: string; readonly text: string }[],
): Promise<void> {
  for (const { path, text } of files) {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(`${target}.tmp`, text)
    await rename(`${target}.tmp`, target)
  }
}

/** Puts a fresh copy of a folder in place of what was there. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to, { recursive: true })
}
