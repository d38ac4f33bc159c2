import { access, constants, realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import type { AgentProgram } from '../../core/workshop.ts'

/** An agent's program, and what of the host it must see to run. */
export type Installation = {
  /** As it is called inside the sandbox. */
  readonly command: string
  readonly mounts: readonly { readonly from: string; readonly to: string }[]
}

/** Where agents are looked for. */
export type Places = { readonly agentsDir: string | null; readonly path: string }

type Sought = Pick<AgentProgram, 'executables' | 'needsFolder'>

/** The first of a program's executables that is there; null when none is. */
export async function findInstallation(
  { executables, needsFolder }: Sought,
  places: Places,
): Promise<Installation | null> {
  for (const file of candidates(executables, places)) {
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return await installationOf(file, needsFolder)
  }
  return null
}

function candidates(names: readonly string[], { agentsDir, path }: Places): readonly string[] {
  const folders = agentsDir === null ? [] : [join(resolve(agentsDir), 'node_modules', '.bin'), resolve(agentsDir)]
  return names.flatMap((name) =>
    isAbsolute(name) ? [name] : [...folders, ...path.split(':').filter(isAbsolute)].map((folder) => join(folder, name)),
  )
}

/**
 * Inside, packages lie as outside, so that they find each other; a program by itself stands alone, or with its folder where it
 * needs that; `/usr` is seen anyway.
 */
async function installationOf(file: string, needsFolder: boolean): Promise<Installation> {
  const real = await realpath(file)
  if (real.startsWith('/usr/')) return { command: real, mounts: [] }
  const parts = real.split(sep)
  const at = parts.indexOf('node_modules')
  if (at < 0) {
    const to = `/qp/agent/${basename(real)}`
    if (needsFolder) return { command: to, mounts: [{ from: dirname(real), to: dirname(to) }] }
    return { command: to, mounts: [{ from: real, to }] }
  }
  const packages = parts.slice(0, at + 1).join(sep)
  return {
    command: join('/qp/agent', real.slice(dirname(packages).length)),
    mounts: [{ from: packages, to: '/qp/agent/node_modules' }],
  }
}
