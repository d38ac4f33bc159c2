import type { AgentProgram } from '../../core/workshop.ts'
import { wordsIn } from '../process/last-words.ts'

/** Google's Gemini CLI. */
export const geminiCli: AgentProgram = {
  name: 'gemini-cli',
  whenMissing: 'gemini-cli is not installed: npm install --prefix <folder of QP_AGENTS_DIR> @google/gemini-cli',
  executables: ['gemini'],
  needsFolder: false,
  speaks: ['google-generate'],
  command: ({ prompt, model, baseUrl, dummyKey }) => ({
    args: [
      '--model',
      model,
      '--approval-mode',
      'yolo',
      '--skip-trust',
      '--output-format',
      'json',
      '--prompt',
      'Do the task that stands on standard input.',
    ],
    env: { GEMINI_API_KEY: dummyKey, GOOGLE_GEMINI_BASE_URL: baseUrl },
    files: [
      {
        path: '.gemini/settings.json',
        text: JSON.stringify({
          security: { auth: { selectedType: 'gemini-api-key' } },
          general: { disableAutoUpdate: true },
          privacy: { usageStatisticsEnabled: false },
        }),
      },
    ],
    stdin: prompt,
  }),
  said: (stdout) => wordsIn(stdout, /"response":\s*("(?:[^"\\]|\\.)*")/) ?? '',
}
