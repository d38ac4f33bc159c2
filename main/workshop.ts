import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Chain } from '../adapters/asking/ask.ts'
import { sweepGroups } from '../adapters/bubblewrap/group.ts'
import { createBubblewrap } from '../adapters/bubblewrap/sandbox.ts'
import type { GitSourceControlOptions } from '../adapters/git/tools.ts'
import { createTrunk } from '../adapters/git/trunk.ts'
import { createWorkspaces, sweepWorkspaces } from '../adapters/git/workspaces.ts'
import { createPackageProxy } from '../adapters/package-proxy/proxy.ts'
import type { AgentSettings } from '../adapters/agent/environment.ts'
import type { Guards } from '../adapters/metering/guards.ts'
import { type CursorSettings, nameOf } from '../adapters/cursor/environment.ts'
import type { Config } from '../config.ts'
import type {
  AgentProgram,
  CodingAgent,
  CommitChecks,
  ModelMeter,
  PackageHosts,
  Reviewer,
  Sandbox,
} from '../core/workshop.ts'
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
  readonly models: Chain | null
  readonly log: EngineLog
}

/** What code is written with; null where no agent is configured. Nothing of an agent is loaded then. */
export async function workshopOf(parts: WorkshopParts): Promise<FactoryPorts['workshop']> {
  const { config, git, checks } = parts
  if (config.agent === null) return null
  const sandbox = sandboxOf(parts)
  await sweep(parts)
  return {
    workspaces: createWorkspaces(git),
    trunk: createTrunk(git),
    sandbox,
    agent: await agentOf(config.agent, parts, sandbox),
    reviewer: await reviewerOf(parts),
    packages: packagesOf(parts),
    checks,
  }
}

/** What a worker that was killed could not take away itself. */
async function sweep({ stateDir, git }: WorkshopParts): Promise<void> {
  const { sweepMeters } = await import('../adapters/metering/line.ts')
  const { sweepHomes } = await import('../adapters/agent/agent.ts')
  await Promise.all([sweepWorkspaces(git), sweepHomes(join(stateDir, 'sandbox')), sweepMeters(tmpdir()), sweepGroups()])
}

export const sandboxOf = ({ config, stateDir }: Pick<WorkshopParts, 'config' | 'stateDir'>): Sandbox =>
  createBubblewrap({ stateDir, path: config.path })

/** The models that write documents judge changes too, unless the operator wants none of that. */
async function reviewerOf({ config, models }: WorkshopParts): Promise<Reviewer | null> {
  if (models === null || !config.reviews) return null
  const { createModelReviewer } = await import('../adapters/model-reviewer/reviewer.ts')
  return createModelReviewer({ models })
}

const packagesOf = ({ config: { packageHosts: hosts }, log }: WorkshopParts): PackageHosts | null =>
  hosts.length === 0
    ? null
    : createPackageProxy({ hosts, tmpDir: tmpdir(), onRefused: (says) => log('warn', says, {}) })

async function agentOf(settings: AgentSettings, parts: WorkshopParts, sandbox: Sandbox): Promise<CodingAgent> {
  const { config, stateDir, db } = parts
  const { createCodingAgent } = await import('../adapters/agent/agent.ts')
  return createCodingAgent({
    program: await programOf(settings),
    meters: config.cursor === null ? await metersOf(config, db) : [await cursorMeterOf(config.cursor, parts)],
    sandbox,
    stateDir: join(stateDir, 'sandbox'),
    agentsDir: agentsDirOf(settings),
    path: config.path,
  })
}

async function metersOf({ models }: Config, db: Database): Promise<readonly ModelMeter[]> {
  const { createMeter } = await import('../adapters/ai/meter/meter.ts')
  return await Promise.all(
    models.map((source) => createMeter({ source, guards: guardsOf(source.name, db), tmpDir: tmpdir() })),
  )
}

async function cursorMeterOf(settings: CursorSettings, { db, log }: WorkshopParts): Promise<ModelMeter> {
  const { createCursorMeter } = await import('../adapters/cursor/meter.ts')
  const onRefused = (says: string): void => log('warn', says, {})
  return createCursorMeter({ settings, guards: guardsOf(nameOf(settings), db), tmpDir: tmpdir(), onRefused })
}

/** Whether an agent is there, without the sandbox, and the models that it can speak to, as configuration spells them. */
export async function surveyAgent(
  settings: AgentSettings,
  { cursor, models, path }: Config,
): Promise<{ readonly missing: string | null; readonly models: readonly string[] }> {
  const program = await programOf(settings)
  const { findInstallation } = await import('../adapters/agent/find.ts')
  const { interfacesOf } = await import('../adapters/ai/provider.ts')
  const able = models.filter(({ provider }) => interfacesOf[provider].some((each) => program.speaks.includes(each)))
  const names = cursor === null ? able.map(({ name }) => name) : [nameOf(cursor)]
  const found = await findInstallation(program, { path, agentsDir: agentsDirOf(settings) })
  return { missing: found === null ? program.whenMissing : null, models: names }
}

const agentsDirOf = ({ dir }: AgentSettings): string | null => (dir === null ? null : resolve(dir))

/** What every worker knows of a model's provider. */
const guardsOf = (model: string, db: Database): Guards => ({
  circuit: openCircuit(db, `model ${model}`),
  gate: openRateGate(db, `model ${model}`),
})

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
    case 'cursor':
      return (await import('../adapters/cursor/cursor.ts')).cursor
    case 'command': {
      const { commandAgent } = await import('../adapters/command/command.ts')
      return commandAgent(command, ['openai-responses', 'openai-chat', 'anthropic-messages', 'google-generate'])
    }
  }
}
