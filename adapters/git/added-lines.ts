import type { AddedLine } from '../../core/workshop.ts'
import { addedBytes } from './binary-patch.ts'

/**
 * The lines that a patch adds, by file. What a file holds may look like the head of another one, and is none. A file that git
 * takes for binary, for which one zero byte is enough, counts too: by its bytes, without the zeros.
 */
export function addedLines(patch: Uint8Array): readonly AddedLine[] {
  const lines = new TextDecoder().decode(patch).split('\n')
  let [path, isHead] = ['', true]
  return lines.flatMap((line, at) => {
    // Lines of a file begin with a sign or a blank.
    if (line.startsWith('diff --git ')) [path, isHead] = [pathOfBoth(line.slice('diff --git '.length)), true]
    if (line.startsWith('@@ ')) isHead = false
    if (isHead && line === 'GIT binary patch') {
      const bytes = addedBytes(lines.slice(at + 1, lines.indexOf('', at)))
      const texts = bytes.toString('latin1').replaceAll('\0', '').split('\n')
      return texts.map((text) => ({ path, text }))
    }
    return !isHead && line.startsWith('+') ? [{ path, text: line.slice(1) }] : []
  })
}

/** Of two paths in a row that are the same, `a/x b/x`, the second. Nothing is renamed in a patch of ours. */
const pathOfBoth = (both: string): string => pathIn(both.slice((both.length + 1) / 2))

/** As git writes a path: in quotes and by its bytes where it is more than ASCII. */
function pathIn(written: string): string {
  if (!written.startsWith('"')) return written.slice(2)
  const bytes = written
    .slice(1, -1)
    .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))).slice(2)
}
