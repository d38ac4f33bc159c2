import type { RootContent } from 'mdast'

/** A node of a document, the line it starts on, and whether it is quoted from somebody. */
export type Place = { readonly node: RootContent; readonly line: number; readonly isQuoted: boolean }

/** Every node in reading order, without recursion: how deep a document nests is its author's choice. */
export function placesOf(blocks: readonly RootContent[]): Place[] {
  const places: Place[] = []
  const stack = blocks.toReversed().map((node) => ({ node, line: lineOf(node), isQuoted: false }))
  for (let place = stack.pop(); place; place = stack.pop()) {
    places.push(place)
    const { node, line } = place
    const isQuoted = place.isQuoted || node.type === 'blockquote'
    // Text beside a bare address has lost its position; it is near the start of what it is part of.
    if ('children' in node)
      for (const child of node.children.toReversed()) stack.push({ node: child, line: lineOf(child, line), isQuoted })
  }
  return places
}

type Positioned = {
  readonly position?: { readonly start: { readonly line: number; readonly offset?: number | undefined } } | undefined
}

export const lineOf = (node: Positioned, otherwise = 1): number => node.position?.start.line ?? otherwise

/** The node as the author typed it, escapes included; null where its position is not known. */
export function typed(source: string, { position }: RootContent): string | null {
  const [start, end] = [position?.start.offset, position?.end.offset]
  return start === undefined || end === undefined ? null : source.slice(start, end)
}

/** Matches of a global pattern in a text that starts on a line, each with its own line. */
export function matchesIn(text: string, pattern: RegExp, start: number): { match: RegExpExecArray; line: number }[] {
  let [line, from] = [start, 0]
  return [...text.matchAll(pattern)].map((match) => {
    for (let at = text.indexOf('\n', from); at >= 0 && at < match.index; at = text.indexOf('\n', from)) {
      line++
      from = at + 1
    }
    return { match, line }
  })
}
