import type { AgentProgram } from '../../core/workshop.ts'
import { wordsIn } from '../process/last-words.ts'

/** opencode, with the one provider that it bundles for endpoints of others: nothing is downloaded. */
export const opencode: AgentProgram = {
  name: 'opencode',
  whenMissing: 'opencode is not installed: npm install --prefix <folder of QP_AGENTS_DIR> opencode-ai',
  executables: ['opencode'],
  needsFolder: false,
  speaks: ['openai-chat'],
  command: ({ prompt, model, baseUrl, dummyKey }) => ({
    args: ['run', '--format', 'json', '--model', `meter/${model}`],
    env: { OPENCODE_DISABLE_AUTOUPDATE: 'true', OPENCODE_DISABLE_MODELS_FETCH: 'true' },
    files: [
      {
        path: '.config/opencode/opencode.json',
        text: JSON.stringify({
          provider: {
            meter: {
              npm: '@ai-sdk/openai-compatible',
              name: 'meter',
              options: { baseURL: `${baseUrl}/v1`, apiKey: dummyKey },
              models: { [model]: { name: model } },
            },
          },
          model: `meter/${model}`,
          small_model: `meter/${model}`,
          enabled_providers: ['meter'],
          autoupdate: false,
          share: 'disabled',
          permission: { edit: 'allow', bash: 'allow', external_directory: 'allow', webfetch: 'deny' },
        }),
      },
    ],
    stdin: prompt,
  }),
  said: (stdout) => {
    const texts = stdout
      .split('\n')
      .flatMap((line) => wordsIn(line, /"type":"text".*?"text":("(?:[^"\\]|\\.)*")/) ?? [])
    return texts.at(-1) ?? ''
  },
}
