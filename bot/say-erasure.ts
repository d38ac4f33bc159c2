import type { Reply } from '../core/commands/command.ts'

/** What erasing somebody takes with it, or that it was done. */
export function sayErasure({ stage, pseudonym }: Extract<Reply, { kind: 'erasure' }>): readonly string[] {
  switch (stage) {
    case 'asked':
      return [
        `! This erases the name, accounts, private chats and remarks of ${pseudonym}, for good. Nothing brings them back.`,
        '  Runs and decisions stay, under that pseudonym. Keys and roles end.',
        `  To do it: /privacy erase ${pseudonym} --confirm`,
      ]
    case 'done':
      return [`✓ ${pseudonym} is erased: what was kept of them cannot be read any more.`]
    case 'before':
      return [`✓ ${pseudonym} was erased before; there was nothing left to do.`]
  }
}
