import { z } from 'zod'
import { accepted, type Result, refused } from '../../core/model/problem.ts'

/** Agents that can be named; `command` is one of the operator's own. */
export const agentNames = ['codex', 'opencode', 'claude-code', 'gemini-cli', 'cursor', 'command'] as const

export type AgentName = (typeof agentNames)[number]

/** Who writes code, as the operator configured it. */
export type AgentSettings = {
  readonly name: AgentName
  /** Absolute or relative to where the program starts; null: only PATH is searched. */
  readonly dir: string | null
  /** The words of QP_AGENT_COMMAND; empty for agents that are known. */
  readonly command: readonly string[]
}

/** The variables, each by itself. */
export const agentVariables = {
  QP_AGENT: z.enum(agentNames, `QP_AGENT must be one of ${agentNames.join(', ')}.`).optional(),
  QP_AGENTS_DIR: z.string().min(1, 'QP_AGENTS_DIR must be a folder.').optional(),
  QP_AGENT_COMMAND: z.string().min(1, 'QP_AGENT_COMMAND must be a program and its arguments.').optional(),
}

type Values = { readonly [Name in keyof typeof agentVariables]?: string | undefined }

/** Null where no agent is named: runs end after the documents. Half a configuration is refused in a sentence. */
export function readAgent(values: Values, hasModel: boolean): Result<AgentSettings | null> {
  const { QP_AGENT: name, QP_AGENTS_DIR: dir = null, QP_AGENT_COMMAND: command = '' } = values
  if (name === undefined) return accepted(null)
  // Cursor's brings its own.
  if (!hasModel && name !== 'cursor')
    return refused(
      'invalid_input',
      'QP_AGENT is set and QP_MODEL is not: name the model it works with (docs/agents.md).',
    )
  if (name === 'command' && command === '')
    return refused(
      'invalid_input',
      'QP_AGENT is command and QP_AGENT_COMMAND is not set: say what to run (docs/agents.md).',
    )
  return accepted({ name: name as AgentName, dir, command: command.split(/\s+/).filter(Boolean) })
}
