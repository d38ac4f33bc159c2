/**
 * Tells, line after line, which starts a block. Headings, items and rows of tables do, but only where they cannot be read as
 * going on with the paragraph above: what looks like an item far to the right, or like a row without a head, goes on.
 */
export function blockStarts(): (line: string) => boolean {
  const isItem = items()
  let before = ''
  let isTable = false
  return (line) => {
    const text = line.trim()
    isTable = text.startsWith('|') && (isTable || isHeadAbove(text, before.trim()))
    const startsItem = isItem(line, before)
    const isFresh = text === '' || before.trim() === ''
    before = line
    return isFresh || isTable || startsItem || /^ {0,3}#{1,6}\s/.test(line)
  }
}

const isHeadAbove = (line: string, head: string): boolean =>
  /^[|:\s-]+$/.test(line) && head.startsWith('|') && line.split('|').length === head.split('|').length

/** An item stands at most three columns right of the text of the item above; a numbered one begins with 1 or follows another. */
function items(): (line: string, before: string) => boolean {
  let column = 0
  let isNumbered = false
  return (line, before) => {
    const text = line.trim()
    const indent = line.length - line.trimStart().length
    const isFresh = before.trim() === ''
    if (text === '') isNumbered = false
    if (isFresh && indent === 0) column = 0
    const mark = indent <= column + 3 ? /^(?:[-*+]|\d{1,9}[.)])\s+(?=\S)/.exec(text)?.[0] : undefined
    if (mark === undefined) return false
    const hasNumber = /^\d/.test(mark)
    if (hasNumber && !isFresh && !isNumbered && !/^0*1[.)]/.test(mark)) return false
    isNumbered = hasNumber
    column = indent + mark.length
    return true
  }
}
