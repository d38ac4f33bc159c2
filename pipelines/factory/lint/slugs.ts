import { toString } from 'mdast-util-to-string'
import type { Page } from './page.ts'

/** The fragments that links may name in a document: headings by GitHub's rule, and ids and names in its HTML. */
export function slugsOf(page: Page): ReadonlySet<string> {
  const counts = new Map<string, number>()
  const named = page.places.flatMap(({ node }) =>
    node.type === 'html' ? [...node.value.matchAll(/\s(?:id|name)="([^"\s]{1,200})"/g)].map(([, id = '']) => id) : [],
  )
  for (const { node } of page.places) if (node.type === 'heading') addSlug(counts, slugOf(toString(node)))
  return new Set([...counts.keys(), ...named])
}

/** Lower case, punctuation dropped, spaces as hyphens. */
const slugOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')

/** Repeats are numbered; a number that another heading already has as its text is passed over. */
function addSlug(counts: Map<string, number>, base: string): void {
  let slug = base
  let count = counts.get(base) ?? 0
  while (counts.has(slug)) slug = `${base}-${++count}`
  counts.set(base, count)
  counts.set(slug, counts.get(slug) ?? 0)
}
