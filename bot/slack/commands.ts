import type { Command, CommandKind } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import type { Unsaid } from '../surface.ts'
import { grammar } from '../grammar.ts'
import { parseTyped, wordsOfChat } from '../parse-command.ts'

const kinds = Object.keys(grammar) as readonly CommandKind[]

/** What somebody typed as a command, or null where they ask for help. */
export function readTyped(slash: string, text: string): Result<Command | Unsaid> | null {
  const name = slash.replace(/^\//, '').toLowerCase()
  const words = wordsOfChat(name === 'qp' ? text : `${name} ${text}`)
  const [first = 'help'] = words
  return /^\/?help$/i.test(first) ? null : parseTyped(words)
}

/** Every command in a line, as it is written in Slack. */
export const sayHelp = (): readonly string[] => [
  'QuantaPilot: what you can ask for',
  ...kinds.map((kind) => `/qp ${grammar[kind].usage}: ${grammar[kind].says}`),
]
