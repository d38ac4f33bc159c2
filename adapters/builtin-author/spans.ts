/** Pieces of text laid over blanks, left to right. */
export class Overlay {
  readonly #pieces: string[] = []
  readonly #end: number
  #at: number

  constructor(start: number, end: number) {
    this.#at = start
    this.#end = end
  }

  put(from: number, piece: string): void {
    if (from < this.#at) return
    this.#pieces.push(' '.repeat(from - this.#at), piece)
    this.#at = from + piece.length
  }

  text(): string {
    return this.#pieces.join('') + ' '.repeat(Math.max(0, this.#end - this.#at))
  }
}

/** Maps an offset to its 1-based line; a line ends with LF, CRLF or CR, as in CommonMark. */
export function lineTable(text: string): (offset: number) => number {
  const starts = [0]
  for (const match of text.matchAll(/\r\n?|\n/g)) starts.push(match.index + match[0].length)
  return (offset) => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}

/** Offsets of the text between tags, found in one pass: a `<` that never closes ends the search. */
export function textBetweenTags(html: string): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = []
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    if (open < 0) return [...found, [at, html.length]]
    if (open > at) found.push([at, open])
    const rest = html.slice(open, open + 8).toLowerCase()
    const raw = /^<(script|style|pre)/.exec(rest)?.[1]
    const close = rest.startsWith('<!--') ? '-->' : raw === undefined ? '>' : `</${raw}`
    const closed = html.indexOf(close, open + 1)
    if (closed < 0) return found
    at = closed + close.length
  }
  return found
}
