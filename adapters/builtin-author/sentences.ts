import type { Unit } from './readme.ts'
import { abbreviation, openEnded } from './words.ts'

/**
 * Offsets in the README of the sentences of a unit. A sentence ends at a full stop, question mark, exclamation mark or
 * ellipsis before white space, at a CJK full stop, at a hard line break, and at the end of the unit; not after an
 * abbreviation, after a list number, or inside code and addresses. Markup that touches a sentence belongs to it.
 */
export function sentencesOf(unit: Unit, text: string): readonly (readonly [number, number])[] {
  const { visible, start } = unit
  const spans: (readonly [number, number])[] = []
  let from = 0
  const cut = (to: number) => {
    const span = trim(visible, text, start, from, to)
    if (/[\p{L}\p{N}\uFFFC]/u.test(visible.slice(span[0], span[1]))) spans.push([start + span[0], start + span[1]])
    from = to
  }
  for (const match of visible.matchAll(/(?<![.!?…؟।])[.!?…؟।]+[)"'»”’\]]*(?=\s|$)|[。！？]+[」』）”]*|\u2028+/gu)) {
    const end = match.index + match[0].length
    if (end < from || !ends(visible, from, match.index, end)) continue
    cut(afterMarkup(visible, text, start, end))
  }
  cut(visible.length)
  return spans
}

function ends(visible: string, from: number, at: number, end: number): boolean {
  if (visible[at] !== '.') return true
  const before = visible.slice(Math.max(from, at - 24), at)
  const next = /^\s*(\S?)/u.exec(visible.slice(end, end + 80))?.[1] ?? ''
  if (abbreviation.test(before)) return false
  if (openEnded.test(before)) return next === '' || next !== next.toLowerCase()
  if (/(?:^|[\s(])\p{L}$/u.test(before)) return next === next.toUpperCase() && /\p{L}/u.test(next)
  return at - from > 8 || !/^\s*\d{1,3}$/.test(visible.slice(from, at))
}

/** Closing markup right after the full stop: `**` or the rest of a link. */
function afterMarkup(visible: string, text: string, start: number, end: number): number {
  let at = end
  while (at < visible.length && visible[at] === ' ' && /\S/.test(text[start + at] ?? ' ')) at += 1
  return at
}

function trim(visible: string, text: string, start: number, from: number, to: number): readonly [number, number] {
  const isGap = (at: number) => {
    const char = text[start + at] ?? ' '
    return /\s/.test(char) || visible[at] === '\u2028' || (char === '>' && visible[at] === ' ')
  }
  let left = from
  let right = to
  while (left < right && isGap(left)) left += 1
  while (right > left && isGap(right - 1)) right -= 1
  return [left, right]
}
