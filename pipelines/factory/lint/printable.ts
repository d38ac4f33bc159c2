/** Text of a repository inside a sentence of ours: one line, at most `most` characters, nothing that hides or reorders text. */
export function printable(text: string, most = 60): string {
  const line = text
    .slice(0, most * 8)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll(/\p{Cf}|\p{Cs}/gu, '')
    .trim()
  const letters = [...line]
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : line
}

/** `printable`, in quotes. */
export const quoted = (text: string): string => `“${printable(text)}”`
