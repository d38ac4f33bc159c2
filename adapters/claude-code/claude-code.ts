import type { AgentProgram } from '../../core/workshop.ts'
import { resultIn } from '../process/last-words.ts'

/** Anthropic's Claude Code; it refuses to skip its questions as root, and inside the sandbox nobody is. */
export const claudeCode: AgentProgram = {
  name: 'claude-code',
  whenMissing: 'claude-code is not installed: npm install --prefix <folder of QP_AGENTS_DIR> @anthropic-ai/claude-code',
  executables: ['claude'],
  needsFolder: false,
  speaks: ['anthropic-messages'],
  command: ({ prompt, model, baseUrl, dummyKey }) => ({
    args: ['-p', '--output-format', 'json', '--dangerously-skip-permissions'],
    env: {
      ANTHROPIC_BASE_URL: baseUrl,
      ANTHROPIC_API_KEY: dummyKey,
      ANTHROPIC_MODEL: model,
      ANTHROPIC_SMALL_FAST_MODEL: model,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
    },
    files: [],
    stdin: prompt,
  }),
  said: resultIn,
}
