/**
 * A line in pieces that fit into `width` columns, cut between words. What goes on stands below where the text began: behind the
 * bar of a file, below the second column of a list, else two columns further in. A word that is wider than a line stays whole.
 */
export function wrap(line: string, width: number): readonly string[] {
  if (columnsOf(line) <= width) return [line]
  const lead = /^\s*(?:│ ?)?\s*/.exec(line)?.[0] ?? ''
  const second = /^\s*\S.*?\s{2,}(?=\S)/.exec(line.slice(lead.length))?.[0] ?? ''
  const beside = columnsOf(lead + second)
  const hang =
    second !== '' && beside <= width / 2 ? lead + ' '.repeat(columnsOf(second)) : lead.length > 8 ? lead : `${lead}  `
  const pieces: string[] = []
  let piece = ''
  for (const word of line.slice(lead.length).match(/\s*\S+/g) ?? []) {
    if (piece !== '' && columnsOf(piece + word) > width) {
      pieces.push(piece)
      piece = hang + word.trimStart()
    } else piece = (piece === '' ? lead : piece) + word
  }
  return [...pieces, piece]
}

/** How wide a terminal draws it, but for rare characters: letters of dense scripts and pictures take two columns. */
function columnsOf(text: string): number {
  let columns = 0
  for (const letter of text) columns += /\p{M}|\p{Cf}/u.test(letter) ? 0 : wide.test(letter) ? 2 : 1
  return columns
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303F\uFF01-\uFF60]|\p{Emoji_Presentation}/u
