import { expect, test } from 'vitest'
import type { AgentProgram, ModelInterface } from '../../core/workshop.ts'
import { claudeCode } from '../claude-code/claude-code.ts'
import { codex } from '../codex/codex.ts'
import { commandAgent } from '../command/command.ts'
import { cursor } from '../cursor/cursor.ts'
import { geminiCli } from '../gemini-cli/gemini-cli.ts'
import { opencode } from '../opencode/opencode.ts'

const every: readonly ModelInterface[] = ['openai-responses', 'openai-chat', 'anthropic-messages', 'google-generate']
const own = commandAgent(['my-agent', '--model={model}', '--at={base_url}'], every)

/** What each says at its end, in its own form. */
const programs: readonly (readonly [AgentProgram, string])[] = [
  [codex, '{"type":"item.completed","item":{"type":"agent_message","text":"All \\"done\\"."}}\n'],
  [opencode, '{"type":"text","part":{"type":"text","text":"All \\"done\\"."}}\n'],
  [claudeCode, '{"type":"result","is_error":false,"result":"All \\"done\\"."}\n'],
  [cursor, '{"type":"result","subtype":"success","is_error":false,"result":"All \\"done\\".","usage":{}}\n'],
  [geminiCli, '{ "response": "All \\"done\\".", "stats": {} }\n'],
]

const call = { prompt: 'Build it.', model: 'm-1', baseUrl: 'http://127.0.0.1:4010', dummyKey: 'sk-dummy' }

test.each(
  [...programs.map(([program]) => program), own].flatMap((program) =>
    program.speaks.map((speaks) => [program.name, speaks, program] as const),
  ),
)(
  '%s over %s is pointed at the meter, with the dummy key, the model and the task, and at nothing else',
  (_, speaks, program) => {
    const { args, env, files, stdin } = program.command({ ...call, speaks })
    const all = JSON.stringify([args, env, files, stdin])
    expect(all).toContain('http://127.0.0.1:4010')
    expect(all).toContain('sk-dummy')
    expect(all).toContain('m-1')
    expect([...args, stdin].join('\n'), 'the task is on its command line or its standard input').toContain('Build it.')
    expect(new Set(all.match(/https?:\/\/[^"/]+/g))).toEqual(new Set(['http://127.0.0.1:4010']))
    expect(files.every(({ path }) => !path.startsWith('/') && !path.includes('..'))).toBe(true)
  },
)

test.each(programs)(
  '$name’s last words are found in what it prints, and nothing that it prints breaks anything',
  (program, printed) => {
    expect(program.said(printed)).toBe('All "done".')
    const broken = ['\\x', 'a\u0001b', 'x'.repeat(15_000_000)].map((odd) => printed.replace('All', () => odd))
    for (const odd of ['', 'no JSON', '{"result":', '{"type":"text"}\n', '\u0000\ud800{"response": "\\u12', ...broken])
      expect(typeof program.said(odd)).toBe('string')
    expect(program.whenMissing).toMatch(/^[\w-]+ is not installed: (?:npm install|run curl) /)
  },
)
