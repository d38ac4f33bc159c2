import type { AgentProgram, ModelInterface } from '../../core/workshop.ts'

/** Any other agent: words of the operator's own, with `{model}` and `{base_url}` in them; the task comes on standard input. */
export function commandAgent(words: readonly string[], speaks: readonly ModelInterface[]): AgentProgram {
  const [executable = '', ...args] = words
  return {
    name: 'command',
    whenMissing: `${executable} is not there: correct QP_AGENT_COMMAND, or install it below QP_AGENTS_DIR.`,
    executables: [executable],
    needsFolder: false,
    speaks,
    command: ({ prompt, model, baseUrl, dummyKey }) => ({
      args: args.map((word) => word.replaceAll('{model}', model).replaceAll('{base_url}', baseUrl)),
      env: { MODEL: model, MODEL_BASE_URL: baseUrl, MODEL_API_KEY: dummyKey },
      files: [],
      stdin: prompt,
    }),
    said: (stdout) => stdout.trim().split('\n').at(-1) ?? '',
  }
}
