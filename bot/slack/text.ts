import { grammar } from '../grammar.ts'

/**
 * A sentence of ours as it can be typed in Slack: /status is Slack's own there, and would set the status of whoever types it.
 */
export const asTyped = (line: string): string =>
  line
    .replaceAll(/(^|[\s(])\/status(?= r\w{3,8}\b)/g, '$1/qp status')
    .replace(/\b(See|Watch it with) \/status\.$/, '$1 /qp status.')
    .replace(/\bSee help\.$/, 'See /qp help.')
    .replace(/^( *Did you mean )(\w+)/, (whole, before: string, name: string) =>
      name in grammar ? `${before}/qp ${name}` : whole,
    )

/**
 * Text of anybody as Slack's mrkdwn that says the same and does nothing: no mention, no link, no entity.
 * https://docs.slack.dev/messaging/formatting-message-text#escaping
 */
export const harmless = (text: string): string =>
  text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- what a terminal would obey has no place in a message
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    // A word joiner keeps older clients from reading a mention where link_names is on for a workspace.
    .replaceAll(/@(?=channel|here|everyone|group)/gi, '@\u2060')

/** The text cut to at most `most` characters as Slack counts them, never inside a character or an entity. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text
  const head = text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')
  return `${head.replace(/&[a-z]{0,3}$/, '')}…`
}

/** The lines joined into pieces of at most `most` characters, cut between lines where that is possible; nothing is lost. */
export function pieces(lines: readonly string[], most: number): readonly string[] {
  const done: string[] = []
  let piece = ''
  for (const line of lines.flatMap((long) => slices(long, most))) {
    const joined = piece === '' ? line : `${piece}\n${line}`
    if (joined.length <= most) piece = joined
    else {
      done.push(piece)
      piece = line
    }
  }
  return [...done, piece].filter((whole) => whole.trim() !== '')
}

function slices(line: string, most: number): readonly string[] {
  if (line.length <= most) return [line]
  const whole = cut(line, most).slice(0, -1)
  return [whole, ...slices(line.slice(whole.length), most)]
}
