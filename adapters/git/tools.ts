import { isAbsolute } from 'node:path'
import { assert } from '../../core/model/problem.ts'
import type { Snapshot } from '../../core/ports.ts'
import type { Identity, Workbench } from './commit.ts'
import { createGit, type Git, type GitEnvironment } from './git-command.ts'
import { borrow, createGitDirectories, type GitDirectories } from './git-directory.ts'
import { type Approach, locate, type Place, type Remote, type RemoteOptions, reach } from './remote.ts'

export type GitSourceControlOptions = RemoteOptions & {
  /** Absolute; git directories of our own are made below it. */
  readonly stateDir: string
  /** All that git gets of our environment. */
  readonly env: GitEnvironment
  /** Longest time one git command may take. */
  readonly gitTimeoutMs: number
  /** Author and committer; `QuantaPilot <quantapilot@localhost>` unless given. */
  readonly identity?: Identity
}

/** What every part of this folder works with. */
export type Tools = {
  readonly git: Git
  readonly directories: GitDirectories
  readonly options: GitSourceControlOptions
  readonly identity: Identity
}

export function openTools(options: GitSourceControlOptions): Tools {
  assert(isAbsolute(options.stateDir), 'stateDir is absolute')
  const git = createGit({ env: options.env, timeoutMs: options.gitTimeoutMs })
  const directories = createGitDirectories(git, options.stateDir)
  const identity = options.identity ?? { name: 'QuantaPilot', email: 'quantapilot@localhost' }
  return { git, directories, options, identity }
}

export async function reachAddress(tools: Tools, address: string, approach: Approach): Promise<Remote> {
  return await reach(await locate(address, tools.options), tools.options, approach)
}

/** The git directory with the snapshot's commit, fetched again where this machine does not have it. */
export async function openSnapshot(
  tools: Tools,
  snapshot: Pick<Snapshot, 'address' | 'commit'>,
  signal: AbortSignal,
): Promise<{ place: Place; gitDir: string }> {
  assert(/^[0-9a-f]{40}$/.test(snapshot.commit), 'a snapshot names its commit by 40 hex digits')
  const place = await locate(snapshot.address, tools.options)
  const remote = () => reach(place, tools.options, { write: false, signal })
  return { place, gitDir: await tools.directories.snapshot(remote, place, snapshot.commit, signal) }
}

/** The branch's own commits above the snapshot; into the scratch directory, where nobody else is. A folder's are read in place. */
export async function fetchTip(bench: Workbench, remote: Remote, tip: string): Promise<void> {
  if (remote.folder !== null) return await borrow(remote.folder.commonDir, bench.gitDir)
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--update-shallow']
  const args = ['fetch', ...flags, '--', remote.url, tip]
  await bench.git.run({ ...remote.call, args, gitDir: bench.gitDir }, bench.signal)
}
