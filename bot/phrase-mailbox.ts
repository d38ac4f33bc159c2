import type { Reply } from '../core/commands/command.ts'

/** What a person hears of their own mailbox. */
export function sayMailbox({ did, address }: Extract<Reply, { kind: 'mailbox' }>): readonly string[] {
  switch (did) {
    case 'asked':
      return [
        `✓ If ${address ?? 'it'} takes mail, a code is on its way there, good for 15 minutes.`,
        '  Next: say /mail <code> here.',
      ]
    case 'confirmed':
      return [
        `✓ Decisions about every project are mailed to ${address ?? 'you'}; whoever reads them there can decide as you.`,
        '  /mail subscribe for all that happens, /mail mute or /mail quiet for less, /mail off to end it.',
      ]
    case 'off':
      return ['✓ No more mail. The address is forgotten, and links in mails that were sent are dead.']
  }
}
