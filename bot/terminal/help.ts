import type { CommandKind } from '../../core/commands/command.ts'
import { grammar } from '../grammar.ts'

/** What belongs together, in the order in which people need it. */
const topics: Readonly<Record<string, readonly CommandKind[]>> = {
  Runs: [
    'run',
    'status',
    'runs',
    'pause',
    'resume',
    'retry',
    'cancel',
    'undo',
    'budget',
    'logs',
    'calls',
    'artifacts',
    'diff',
  ],
  Decisions: ['gates', 'approve', 'reject', 'changes', 'delegate', 'freeze'],
  'Who hears what': ['subscribe', 'unsubscribe', 'mute', 'quiet', 'mail'],
  People: ['whoami', 'link', 'actor', 'privacy'],
  Programs: ['key', 'webhook'],
}

/** All commands in their sections, each written behind `before`. */
export const sayCommands = (before: string): readonly string[] =>
  Object.entries(topics).flatMap(([title, kinds]) =>
    helpSection(
      title,
      kinds.map((kind) => ({ ...grammar[kind], usage: written(kind, before) })),
    ),
  )

/** One command; null when there is none of that name. */
export function sayCommand(name: string, before: string): readonly string[] | null {
  const kind = Object.values(topics)
    .flat()
    .find((known) => known === name)
  return kind ? [...waysOf(written(kind, before)), `  ${grammar[kind].says}`] : null
}

export type HelpEntry = { readonly usage: string; readonly says: string }

/** The widest left column. */
const columns = 34

/** A title and its commands in two columns; what is too long for the left one has a line of its own. */
export function helpSection(title: string, entries: readonly HelpEntry[]): readonly string[] {
  const lines = entries.flatMap(({ usage, says }) => {
    const ways = waysOf(usage)
    const last = ways.at(-1) ?? ''
    const beside = last.length <= columns ? last : ''
    const above = beside === '' ? ways : ways.slice(0, -1)
    return [...above.map((way) => `  ${way}`), `  ${beside.padEnd(columns)}  ${says}`]
  })
  return [title, ...lines, '']
}

const written = (kind: CommandKind, before: string): string =>
  waysOf(grammar[kind].usage)
    .map((way) => before + way)
    .join(' | ')

/** `key list | key revoke <id>` are two ways to use it; a choice in brackets is part of one. */
const waysOf = (usage: string): readonly string[] => usage.split(/ \| (?![^[]*\])/)
