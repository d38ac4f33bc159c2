import type { AgentProgram } from '../../core/workshop.ts'
import { wordsIn } from '../process/last-words.ts'

const quoted = (text: string): string => JSON.stringify(text)

/** OpenAI's Codex. Its own sandbox is switched off: inside ours it says done and writes nothing. */
export const codex: AgentProgram = {
  name: 'codex',
  whenMissing: 'codex is not installed: npm install --prefix <folder of QP_AGENTS_DIR> @openai/codex',
  executables: ['codex'],
  needsFolder: false,
  speaks: ['openai-responses'],
  command: ({ prompt, model, baseUrl, dummyKey }) => ({
    args: ['exec', '--json', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', '-'],
    env: { METER_KEY: dummyKey },
    files: [
      {
        path: '.codex/config.toml',
        text: [
          `model = ${quoted(model)}`,
          'model_provider = "meter"',
          'check_for_update_on_startup = false',
          'web_search = "disabled"',
          '[model_providers.meter]',
          'name = "meter"',
          `base_url = ${quoted(`${baseUrl}/v1`)}`,
          'wire_api = "responses"',
          'env_key = "METER_KEY"',
          '',
        ].join('\n'),
      },
    ],
    stdin: prompt,
  }),
  said: (stdout) => {
    const messages = stdout
      .split('\n')
      .flatMap((line) => wordsIn(line, /"type":"agent_message","text":("(?:[^"\\]|\\.)*")/) ?? [])
    return messages.at(-1) ?? ''
  },
}
