/** Text that fits, and a sentence for each thing that does not. */
export type Fitted = { readonly text: string; readonly leftOut: readonly string[] }

/** The first `most` characters of a text. */
export function fitHead(name: string, text: string, most: number): Fitted {
  if (text.length <= most) return { text, leftOut: [] }
  return { text: text.slice(0, most), leftOut: [`${name}: all behind its first ${most} characters`] }
}

/**
 * A git patch in at most `most` characters. Whole files first, the small ones before the large ones, so that no large file
 * hides the others; the next one is cut, and the rest and what is binary is left out. Files stay in their order.
 */
export function fitPatch(patch: string, most: number): Fitted {
  const parts = patch.split(/(?<=\n)(?=diff --git )/).map(partOf)
  const bySize = parts.filter(({ isBinary }) => !isBinary).toSorted((a, b) => a.text.length - b.text.length)
  const shown = new Map<Part, string>()
  let room = most
  for (const part of bySize) {
    if (room <= 0) break
    shown.set(part, part.text.slice(0, room))
    room -= part.text.length
  }
  const leftOut = parts.flatMap((part) => {
    const text = shown.get(part)
    if (text === part.text) return []
    return part.isBinary
      ? [`${part.path}: a binary file`]
      : [`${part.path}: ${text === undefined ? 'all of it' : `all behind its first ${text.length} characters`}`]
  })
  return { text: parts.flatMap((part) => shown.get(part) ?? []).join(''), leftOut }
}

type Part = { readonly path: string; readonly text: string; readonly isBinary: boolean }

/**
 * Lines of files begin with a mark of the patch's own, so that none of them can look like a head. Lines are git's: to `m` of
 * a regular expression one may begin in the middle of them.
 */
function partOf(text: string): Part {
  const [, path = 'what stands before the first file'] = /^diff --git .* "?b\/([^"\n]*)"?\n/.exec(text) ?? []
  return { path, text, isBinary: /\n(?:GIT binary patch|Binary files .* differ)\n/.test(text) }
}
