import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'
import type { GitSourceControlOptions } from '../../adapters/git/tools.ts'
import { createTrunk } from '../../adapters/git/trunk.ts'
import { createWorkspaces } from '../../adapters/git/workspaces.ts'
import type { AgentTask, CodingAgent, CommitChecks, PackageHosts, Reviewer } from '../../core/workshop.ts'
import type { FactoryPorts } from '../../pipelines/factory/ports.ts'

/** What an agent of ours does with its folder, for the n-th task it is given. */
export type Deed = (task: AgentTask, n: number) => Promise<void>

/** An agent that does what a test says, where real ones would ask a model. */
export function scriptedAgent(deed: Deed): CodingAgent & { readonly tasks: readonly AgentTask[] } {
  const tasks: AgentTask[] = []
  return {
    name: 'scripted',
    model: 'scripted/model',
    keepsTerms: true,
    tasks,
    missing: () => Promise.resolve(null),
    work: async (task, desk) => {
      tasks.push(task)
      const held = await desk.reserve({ micros: 50_000, tokens: 4_000 }, 'agent scripted')
      await deed(task, tasks.length)
      await held.settle({ micros: 10_000, tokens: 1_000 })
      return { ended: 'finished', said: 'done', calls: 1, used: { micros: 10_000, tokens: 1_000 } }
    },
  }
}

/** Real trees, patches, merges and sandboxes below the house's own folder. */
export const workshopOf =
  (
    agent: CodingAgent,
    checks: CommitChecks | null = null,
    reviewer: Reviewer | null = null,
    packages: PackageHosts | null = null,
  ) =>
  (options: GitSourceControlOptions): FactoryPorts['workshop'] => ({
    workspaces: createWorkspaces(options),
    trunk: createTrunk(options),
    sandbox: createBubblewrap({ stateDir: options.stateDir, path: '/usr/bin:/bin' }),
    agent,
    reviewer,
    packages,
    checks,
  })

/** Adds to a file, or makes it. */
export async function append({ folder }: AgentTask, path: string, text: string): Promise<void> {
  const before = await readFile(join(folder, path), 'utf8').catch(() => '')
  await writeFile(join(folder, path), before + text)
}
