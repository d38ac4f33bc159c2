import type { KeyLine, Reply } from '../core/commands/command.ts'
import { unreachable } from '../core/model/problem.ts'
import { sayTime, table } from './layout.ts'
import { quoted } from './quoted.ts'

type Personal = Extract<
  Reply,
  {
    kind:
      | 'whoami'
      | 'link_code'
      | 'linked'
      | 'delegated'
      | 'people'
      | 'following'
      | 'quiet'
      | 'key_made'
      | 'key_revoked'
      | 'keys'
      | 'mailbox'
      | 'erasure'
  }
>

/** What is said about people and places rather than runs. */
export function sayPersonal(reply: Personal): readonly string[] {
  switch (reply.kind) {
    case 'whoami':
      return [
        `You are ${quoted(reply.label)} (${reply.pseudonym}). Roles: ${reply.roles.join(', ') || 'none'}.`,
        ...(reply.roles.length === 0
          ? ['  Ask an admin for one, or say /link with the code of an account that has it.']
          : []),
      ]
    case 'link_code':
      return [
        `Code ${reply.code}${reply.expiresAt ? `, good until ${sayTime(reply.expiresAt)}` : ''}, once.`,
        `  Say “/link ${reply.code}” in private at the account that shall belong to ${reply.for ?? 'the first admin'}.`,
      ]
    case 'linked':
      return [`✓ This account is linked. Roles: ${reply.roles.join(', ') || 'none'}.`]
    case 'delegated':
      return [
        reply.until
          ? `✓ ${quoted(reply.label)} may decide in your place until ${sayTime(reply.until)}, under their own name.`
          : `✓ ${quoted(reply.label)} no longer decides in your place.`,
      ]
    case 'people':
      return table(
        ['person', 'name', 'roles', 'accounts'],
        reply.people.map((person) => [
          person.pseudonym,
          quoted(person.label),
          person.roles.join(', ') || 'none',
          person.surfaces.join(', '),
        ]),
      )
    case 'key_made':
      return [
        `✓ Key ${quoted(reply.label)}: ${reply.secret}`,
        `  It is shown this once. It acts for you; end it with /key revoke ${reply.id}.`,
      ]
    case 'key_revoked':
      return [`✓ Key ${quoted(reply.label)} is revoked.`]
    case 'keys':
      return reply.keys.length === 0 ? ['No keys yet. Make one: /key add <label>'] : sayKeys(reply.keys)
    case 'erasure':
      return sayErasure(reply)
    case 'following':
      return [sayFollowing(reply)]
    case 'quiet':
      return [
        reply.from === null
          ? '✓ Sounds at any time.'
          : `✓ No sounds from ${reply.from} to ${reply.to} (${reply.zone}): reminders wait until then.`,
      ]
    case 'mailbox':
      return sayMailbox(reply)
    default:
      return unreachable(reply)
  }
}

const sayKeys = (keys: readonly KeyLine[]): readonly string[] =>
  table(
    ['id', 'label', 'scope', 'owner', 'made', 'last used', 'revoked'],
    keys.map((key) => [
      key.id,
      quoted(key.label),
      key.scopes.join(','),
      quoted(key.owner),
      sayTime(key.madeAt),
      key.usedAt ? sayTime(key.usedAt) : 'never',
      key.revokedAt ? sayTime(key.revokedAt) : '',
    ]),
  )

function sayFollowing({ project, level, mutedUntil }: Extract<Reply, { kind: 'following' }>): string {
  const what = project === null ? 'every project' : quoted(project)
  if (mutedUntil) return `✓ This place hears nothing of ${what} until ${sayTime(mutedUntil)}.`
  if (level === 'nothing') return `✓ This place hears no more of ${what}.`
  return level === 'all' ? `✓ Runs of ${what} are shown here.` : `✓ Decisions about ${what} are shown here.`
}

/** What a person hears of their own mailbox. */
function sayMailbox({ did, address }: Extract<Reply, { kind: 'mailbox' }>): readonly string[] {
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

/** What erasing somebody takes with it, or that it was done. */
function sayErasure({ stage, pseudonym }: Extract<Reply, { kind: 'erasure' }>): readonly string[] {
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
