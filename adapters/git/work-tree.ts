import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyFromFolder, type Folder } from './folder.ts'
import type { Git } from './git-command.ts'
import type { GitDirectories } from './git-directory.ts'

/**
 * Whether the work tree of a folder differs from its HEAD, new files included. Asked with a git directory of ours and a
 * copy of the index, so that no filter, monitor or hook of the folder runs; file modes and submodules do not count.
 */
export async function isChanged(
  tools: { readonly git: Git; readonly directories: GitDirectories },
  place: { readonly folder: Folder; readonly address: string; readonly head: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { folder, address, head } = place
  const ask = async (gitDir: string): Promise<boolean> => {
    await copyIndex(folder, gitDir)
    await writeFile(join(gitDir, 'HEAD'), `${head}\n`)
    const status = ['status', '--porcelain', '--untracked-files=normal', '--ignore-submodules=all']
    const args = [`--work-tree=${folder.path}`, ...status]
    return (await tools.git.run({ args, gitDir, config: ofThisSystem, address }, signal)).length > 0
  }
  return await tools.directories.scratch(folder.commonDir, ask, signal)
}

/** What `git init` finds out of the file system; modes do not count. */
const ofThisSystem = [
  'core.fileMode=false',
  `core.ignoreCase=${process.platform === 'darwin'}`,
  `core.precomposeUnicode=${process.platform === 'darwin'}`,
]

async function copyIndex(folder: Folder, to: string): Promise<void> {
  await mkdir(join(to, 'info'), { recursive: true })
  const shared = (await readdir(folder.gitDir)).filter((name) => name.startsWith('sharedindex.'))
  for (const name of ['index', ...shared]) await copyFromFolder(join(folder.gitDir, name), join(to, name))
  await copyFromFolder(join(folder.commonDir, 'info', 'exclude'), join(to, 'info', 'exclude'))
}
