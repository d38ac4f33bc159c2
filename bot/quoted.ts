/** Words of others on one line of ours; what could pass for our own sentence about a run or a decision stands in quotes. */
export function quoted(text: string): string {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
  return imitates.test(line) ? `“${line.replaceAll(/[“”]/g, '"')}”` : line
}

/** Our own glyphs and their look-alikes, and how we say who decided. */
const imitates = /[✓✔✅☑🗸✗✘❌✕●‖▸○]|\b(?:approved|rejected|decided|sent back)\b.{0,40}\bby\b/iu

/** The same of a text of several lines: what follows the first is set off from lines of ours. */
export const quotedLines = (text: string): string =>
  text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map(quoted)
    .join('\n    ')
