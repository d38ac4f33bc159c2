/**
 * A copy of the README that is safe to parse, as long as the original character for character, so that positions in the
 * copy are positions in the README. Front matter is blanked; so is markup in such amounts that only an attack has it,
 * because nesting and emphasis take CommonMark parsers quadratic time.
 */
export function maskForParsing(text: string): string {
  return blocksOf(blankFrontMatter(text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text))
    .map(calmBlock)
    .join('')
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

/** The text cut after each blank line. */
function blocksOf(text: string): string[] {
  const blocks: string[] = []
  let block: string[] = []
  for (const line of text.split(/(?<=\n|\r(?!\n))/)) {
    block.push(line)
    if (line.trim() !== '') continue
    blocks.push(block.join(''))
    block = []
  }
  return [...blocks, block.join('')]
}

/** Far above what a block of a README holds, far below where parsing slows down. */
const maximumMarks = 4_000
const maximumContainers = 40

function calmBlock(block: string): string {
  const shallow = block.replace(/^(?:[ \t]{0,8}(?:[>*+-]|\d{1,9}[.)])){40,}/gm, calmContainers)
  const marks = block.match(/[*_[\]!~`<&\\]/g)?.length ?? 0
  return marks > maximumMarks ? shallow.replace(/^([ \t]*(?:`{3,}|~{3,}))|[*_[\]!~`<&\\]/gm, calmMark) : shallow
}

function calmContainers(prefix: string): string {
  const markers = prefix.match(/[>*+-]|\d{1,9}[.)]/g)?.length ?? 0
  return markers > maximumContainers ? prefix.replace(/[>*+\-.)]/g, '·') : prefix
}

function calmMark(mark: string, fence: string | undefined): string {
  return fence === undefined ? '·' : mark
}
