/** Keeps what stands on its two sides apart, and is not seen. */
const joiner = '\u2060'

/**
 * Text of anybody on one line that says the same and does nothing where GitHub draws it: it pings nobody, closes nothing,
 * and leads nowhere. Markdown in it stays Markdown.
 */
export const quiet = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .replaceAll(/@(?=\w)|#(?=\d)|\bGH-(?=\d)|\bwww\.|:(?=\/\/)/gi, `$&${joiner}`)

/** The same as text that shows every character of itself, in a paragraph, a list, a quote or a cell of a table. */
export const inert = (text: string): string =>
  quiet(text)
    .replaceAll(/[\\`*_{}[\]<>|~!&$]/g, '\\$&')
    .replace(/^(?:[#+=-]|\d{1,9}(?=[.)]))/, (mark) => (/\d/.test(mark) ? `${mark}\\` : `\\${mark}`))
