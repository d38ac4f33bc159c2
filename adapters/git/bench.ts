import type { Workbench } from './commit.ts'
import { reach, type Remote } from './remote.ts'
import { openSnapshot, type Tools } from './tools.ts'

type Work<T> = (bench: Workbench, remote: Remote) => Promise<T>

/** A git directory of our own that knows the snapshot, and the address open for writing. */
export async function onBench<T>(
  tools: Tools,
  snapshot: { readonly address: string; readonly commit: string },
  signal: AbortSignal,
  work: Work<T>,
): Promise<T> {
  const { place, gitDir: base } = await openSnapshot(tools, snapshot, signal)
  const remote = await reach(place, tools.options, { write: true, signal })
  const { address } = snapshot
  return await tools.directories.scratch(
    base,
    (gitDir) => work({ git: tools.git, gitDir, address, signal }, remote),
    signal,
  )
}

/** The tree of a commit, 40 hex digits. */
export async function treeOf(bench: Workbench, commit: string): Promise<string> {
  const args = ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`]
  return (await bench.git.run({ args, gitDir: bench.gitDir, address: bench.address }, bench.signal)).toString().trim()
}
