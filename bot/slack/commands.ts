import type { Command, CommandKind } from '../../core/commands/command.ts'
import type { Result } from '../../core/model/problem.ts'
import { grammar, parseCommand, wordsOf } from '../parse-command.ts'

/**
 * What Slack keeps for itself, so that an app's command of that name would never reach it.
 * https://slack.com/help/articles/201259356-Slash-commands-in-Slack
 */
export const builtIn: ReadonlySet<string> = new Set(
  (
    'active apps archive away call canvas collapse dm dnd expand feed feedback genie giphy help huddle invite ' +
    'invite_people join kick leave list me mpdm msg mute open part prefs pro remind remove rename search shortcuts ' +
    'shrug star status todo topic unarchive who'
  ).split(' '),
)

const kinds = Object.keys(grammar) as readonly CommandKind[]

/** The commands that Slack lets us have without /qp in front. */
export const direct: readonly CommandKind[] = kinds.filter((kind) => !builtIn.has(kind))

/** What somebody typed as a command, or null where they ask for help. Phones write “quotes” and — dashes: both are read as typed. */
export function readTyped(slash: string, text: string): Result<Command> | null {
  const plain = text
    .replaceAll(/[“”„]/g, '"')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/(^|\s)[—–](?=[a-z])/g, '$1--')
  const name = slash.replace(/^\//, '').toLowerCase()
  const words = name === 'qp' ? wordsOf(plain) : [name, ...wordsOf(plain)]
  const [first = 'help'] = words
  return /^\/?help$/i.test(first) ? null : parseCommand(words)
}

/** Every command in a line, as it is written in Slack. */
export const sayHelp = (): readonly string[] => [
  'QuantaPilot: what you can ask for',
  ...kinds.map((kind) => `/qp ${grammar[kind].usage}: ${grammar[kind].says}`),
]
