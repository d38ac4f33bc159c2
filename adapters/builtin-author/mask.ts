/**
 * A copy of the README that is safe to parse, as long as the original character for character, so that positions in the
 * copy are positions in the README. Front matter is blanked; so is markup in such amounts that only an attack has it,
 * because nesting, emphasis, wide tables and underlined headings take CommonMark parsers quadratic time.
 */
export function maskForParsing(text: string): string {
  const lines = linesOf(blankFrontMatter(text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text)).map(calmLine)
  return blocksOf(calmMany(lines)).map(calmBlock).join('')
}

function blankFrontMatter(text: string): string {
  const open = /^ ?---[ \t]*(?:\r\n?|\n)/.exec(text)
  if (open === null) return text
  const close = /(?:\r\n?|\n)(?:---|\.\.\.)[ \t]*(?=\r|\n|$)/.exec(text.slice(0, 20_000))
  if (close === null) return text
  const end = close.index + close[0].length
  const matter = text.slice(0, end)
  if (!/^[\w-]+[ \t]*:/m.test(matter)) return text
  return matter.replace(/[^\r\n]/g, ' ') + text.slice(end)
}

function linesOf(text: string): string[] {
  return text.split(/(?<=\n|\r(?!\n))/)
}

// Each limit is far above what a README holds and far below where parsing slows down.
const maximumColumns = 200
const maximumUnderlines = 300
const maximumDefinitions = 1_000
const maximumMarks = 4_000

function calmLine(line: string): string {
  const shallow = line
    .replace(/^(?:[ \t]{0,8}(?:[>*+-]|\d{1,9}[.)])){40,}/, (prefix) => prefix.replace(/[>*+\-.)]/g, '·'))
    .replace(/(?<=^[ \t]{80})[ \t]+/, (far) => '·'.repeat(far.length))
  const columns = shallow.length > maximumColumns ? (shallow.match(/\|/g)?.length ?? 0) : 0
  return columns > maximumColumns ? shallow.replaceAll('|', '·') : shallow
}

const underline = /^ {0,3}(?:=+|-+)[ \t]*[\r\n]*$/
const definition = /^ {0,3}\[[^\]]{1,200}\]:/

function calmMany(lines: readonly string[]): readonly string[] {
  const underlined = lines.filter((line) => underline.test(line)).length > maximumUnderlines
  const defined = lines.filter((line) => definition.test(line)).length > maximumDefinitions
  if (!underlined && !defined) return lines
  return lines.map((line) => {
    if (underlined && underline.test(line)) return line.replace(/[=-]/g, '·')
    return defined && definition.test(line) ? line.replace('[', '·') : line
  })
}

/** The text cut after each blank line. */
function blocksOf(lines: readonly string[]): readonly string[] {
  const blocks: string[] = []
  let block: string[] = []
  for (const line of lines) {
    block.push(line)
    if (line.trim() !== '') continue
    blocks.push(block.join(''))
    block = []
  }
  return [...blocks, block.join('')]
}

function calmBlock(block: string): string {
  const marks = block.match(/[*_[\]!~`<&\\]/g)?.length ?? 0
  if (marks <= maximumMarks) return block
  return block.replace(/^([ \t]*(?:`{3,}|~{3,}))|[*_[\]!~`<&\\]/gm, (_, fence?: string) => fence ?? '·')
}
