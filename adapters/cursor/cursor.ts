import type { AgentProgram } from '../../core/workshop.ts'
import { resultIn } from '../process/last-words.ts'

/**
 * Cursor's command line. It speaks to Cursor's servers only, through our meter: both of its addresses lead there, in HTTP/1.1,
 * and the session that it holds is none. Its own sandbox is switched off inside ours.
 */
export const cursor: AgentProgram = {
  name: 'cursor',
  whenMissing:
    'cursor is not installed: run curl https://cursor.com/install -fsS | bash, and put ~/.local/bin into PATH or QP_AGENTS_DIR',
  executables: ['cursor-agent'],
  needsFolder: true,
  speaks: ['cursor'],
  command: ({ prompt, model, baseUrl, dummyKey }) => ({
    args: [...headless, '--model', model, ...addressed(baseUrl), 'Do the task that stands on standard input.'],
    env: { CURSOR_API_KEY: dummyKey, CURSOR_API_ENDPOINT: baseUrl, AGENT_CLI_CREDENTIAL_STORE: 'memory' },
    files: [{ path: '.cursor/cli-config.json', text: JSON.stringify(configuration) }],
    stdin: prompt,
  }),
  said: resultIn,
}

const headless = ['-p', '--force', '--trust', '--sandbox', 'disabled', '--output-format', 'json']

/** The second one outranks what its server would name as the place for its conversation. */
const addressed = (baseUrl: string) => ['--endpoint', baseUrl, '--agent-endpoint', baseUrl]

/** Without HTTP/1.1 it would ask for connections that no meter can look into. Pages are fetched on Cursor's side: none is. */
const configuration = {
  version: 1,
  editor: { vimMode: false },
  permissions: { allow: [], deny: ['WebFetch(*)'] },
  network: { useHttp1ForAgent: true },
}
