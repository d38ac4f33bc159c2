/** Building blocks of the documents. Text of a README or a person goes in as data: it stays text whatever it holds. */

/** Text on one line that renders as itself: markup is escaped, `code` stays code, @names and placeholders become code. */
export function inline(text: string): string {
  const line = printable(text)
  const escaped = line.replace(/(?<!`)`[^`]+`(?!`)|[^`]+|`+/g, (part) =>
    part.length > 1 && part.startsWith('`') && !part.startsWith('``') ? part : escapeText(part),
  )
  return escaped.replace(/^(?:[#>+=|-]|(\d{1,9})(?=[.)]))/, (mark, digits?: string) =>
    digits === undefined ? `\\${mark}` : `${digits}\\`,
  )
}

/** `inline`, for a cell of a table. */
export function cell(text: string): string {
  return inline(text).replace(/(?<!\\)\|/g, '\\|') || '–'
}

/** Inline code that shows the text as it is; pipes are escaped as cells of tables need it when `inCell`. */
export function code(text: string, inCell = false): string {
  const line = printable(text)
  const ticks = '`'.repeat(longestRun(line, '`') + 1)
  const padded = /^`|`$/.test(line) ? ` ${line} ` : line
  return line === '' ? '(empty)' : `${ticks}${inCell ? padded.replace(/\|/g, '\\|') : padded}${ticks}`
}

/** One line, without characters that hide or reorder text. */
export function printable(text: string): string {
  const visible = text.replace(/[\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/g, '')
  return visible.replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029\s]+/g, ' ').trim()
}

/** At most `length` characters, cut between words, with an ellipsis when cut; code is not left open. */
export function clip(text: string, length: number): string {
  const line = printable(text)
  const characters = [...line]
  if (characters.length <= length) return line
  const cut = characters.slice(0, length - 1).join('')
  const word = cut.lastIndexOf(' ') > length / 2 ? cut.slice(0, cut.lastIndexOf(' ')) : cut
  const open = (word.match(/`/g)?.length ?? 0) % 2 === 1
  return `${(open ? word.slice(0, word.lastIndexOf('`')) : word).replace(/[\s,;:([–—-]+$/u, '')}…`
}

/** A fenced block longer than any fence in the text. */
export function fenced(language: string, text: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text, '`') + 1))
  return `${fence}${language.replace(/[^\w+#.-]/g, '') || 'text'}\n${text}\n${fence}`
}

/** A README's own bytes: a block quote where one line of plain text renders as itself, else a fenced block. */
export function quoted(quote: string): string {
  const plain =
    /^[\p{L}\p{N}"'«“„(*`][^\r\n<[\]\\&@$]*$/u.test(quote) && !/^\s*(?:[*+-]|\d+[.)])\s|^(?:```|\*\*\*|~~~)/.test(quote)
  const placeholder = /TODO|TBD|FIXME|XXX|_PROVIDED|\{\{/.test(quote)
  return plain && !placeholder && printable(quote) === quote ? `> ${quote}` : fenced('text', quote)
}

/** Whole lines of a README as a block quote when each is plain text, else as a fenced block. */
export function passage(text: string): string {
  const lines = text.split(/\r\n?|\n/).map((line) => line.trim())
  return lines.every((line) => quoted(line).startsWith('>'))
    ? lines.map((line) => `> ${line}`).join('\n')
    : fenced('text', text)
}

/** A table; rows are already escaped cells. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

export function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n')
}

/** `a`, `a and b`, `a, b and c`; after `most` the rest is counted. */
export function listed(items: readonly string[], most = 6): string {
  const shown = items.length > most ? [...items.slice(0, most - 1), `${items.length - most + 1} more`] : items
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

/** Addresses, @names and words that stand for missing text: shown as code, so that nothing links, calls or warns. */
const literal =
  /(?:https?:\/\/|www\.)[^\s<>`|]+|(?<![\p{L}\p{N}.])@[\w/-]+|\b(?:TODO|TBD|TBC|FIXME|XXX)\b|\[[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\]|\{\{[^{}]{0,80}\}\}|\b[Ll]orem [Ii]psum\b/u
const mark = /[\\*[\]<`]|&(?=#?\w+;)|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|~(?=~)/u
const special = new RegExp(`(${literal.source})|${mark.source}`, 'gu')

function escapeText(text: string): string {
  return text.replace(/\](?=\[)/g, '] ').replace(special, (found, word?: string) => {
    if (word !== undefined) return `\`${word}\``
    return found === '<' ? '&lt;' : found === '&' ? '&amp;' : `\\${found}`
  })
}

function longestRun(text: string, char: string): number {
  let longest = 0
  let run = 0
  for (const each of text) {
    run = each === char ? run + 1 : 0
    longest = Math.max(longest, run)
  }
  return longest
}
