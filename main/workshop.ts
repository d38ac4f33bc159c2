import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createBubblewrap } from '../adapters/bubblewrap/sandbox.ts'
import type { GitSourceControlOptions } from '../adapters/git/tools.ts'
import { createTrunk } from '../adapters/git/trunk.ts'
import { createWorkspaces } from '../adapters/git/workspaces.ts'
import { createPackageProxy } from '../adapters/package-proxy/proxy.ts'
import type { AgentSettings } from '../adapters/agent/environment.ts'
import type { Config } from '../config.ts'
import type { AgentProgram, CodingAgent, CommitChecks, ModelMeter, PackageHosts, Sandbox } from '../core/workshop.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import { openCircuit } from '../core/store/circuit.ts'
import type { Database } from '../core/store/database.ts'
import { openRateGate } from '../core/store/rate-gate.ts'
import type { FactoryPorts } from '../pipelines/factory/ports.ts'

export type WorkshopParts = {
  readonly config: Config
  readonly stateDir: string
  readonly git: GitSourceControlOptions
  readonly checks: CommitChecks | null
  readonly db: Database
  readonly log: EngineLog
}

/** What code is written with; null where no agent is configured. Nothing of an agent is loaded then. */
export async function workshopOf(parts: WorkshopParts): Promise<FactoryPorts['workshop']> {
  const { config, git, checks } = parts
  if (config.agent === null) return null
  const sandbox = sandboxOf(parts)
  return {
    workspaces: createWorkspaces(git),
    trunk: createTrunk(git),
    sandbox,
    agent: await agentOf(config.agent, parts, sandbox),
    packages: packagesOf(parts),
    checks,
  }
}

export const sandboxOf = ({ config, stateDir }: Pick<WorkshopParts, 'config' | 'stateDir'>): Sandbox =>
  createBubblewrap({ stateDir, path: config.path })

const packagesOf = ({ config: { packageHosts: hosts }, log }: WorkshopParts): PackageHosts | null =>
  hosts.length === 0
    ? null
    : createPackageProxy({ hosts, tmpDir: tmpdir(), onRefused: (says) => log('warn', says, {}) })

async function agentOf(
  settings: AgentSettings,
  { config, stateDir, db }: WorkshopParts,
  sandbox: Sandbox,
): Promise<CodingAgent> {
  const { createCodingAgent } = await import('../adapters/agent/agent.ts')
  return createCodingAgent({
    program: await programOf(settings),
    meters: await metersOf(config, db),
    sandbox,
    stateDir: join(stateDir, 'sandbox'),
    agentsDir: settings.dir === null ? null : resolve(settings.dir),
    path: config.path,
  })
}

async function metersOf({ models }: Config, db: Database): Promise<readonly ModelMeter[]> {
  const { createMeter } = await import('../adapters/ai/meter/meter.ts')
  return await Promise.all(
    models.map((source) => {
      const key = `model ${source.name}`
      const guards = { circuit: openCircuit(db, key), gate: openRateGate(db, key) }
      return createMeter({ source, guards, tmpDir: tmpdir() })
    }),
  )
}

/** A new agent is a folder below adapters/, its name in adapters/agent/environment.ts, and a line here. */
async function programOf({ name, command }: AgentSettings): Promise<AgentProgram> {
  switch (name) {
    case 'codex':
      return (await import('../adapters/codex/codex.ts')).codex
    case 'opencode':
      return (await import('../adapters/opencode/opencode.ts')).opencode
    case 'claude-code':
      return (await import('../adapters/claude-code/claude-code.ts')).claudeCode
    case 'gemini-cli':
      return (await import('../adapters/gemini-cli/gemini-cli.ts')).geminiCli
    case 'command': {
      const { commandAgent } = await import('../adapters/command/command.ts')
      return commandAgent(command, ['openai-responses', 'openai-chat', 'anthropic-messages', 'google-generate'])
    }
  }
}
