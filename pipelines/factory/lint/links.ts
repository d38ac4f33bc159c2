import type { Finding } from '../../../core/ports.ts'
import { nearest } from '../../../core/model/nearest.ts'
import type { Page } from './page.ts'
import { printable, quoted } from './printable.ts'
import { finder } from './rules.ts'
import { matchesIn, typed } from './tree.ts'

/** What links may lead to. */
export type Targets = {
  /** Fragments of the documents that were read. */
  readonly slugs: ReadonlyMap<string, ReadonlySet<string>>
  /** Every file known to exist, and every folder of one. */
  readonly paths: ReadonlySet<string>
}

type Suggest = (word: string, candidates: Iterable<string>) => string | null

/** What was meant is found by a comparison with every heading: so for the first links of a page, and not among thousands. */
const mostSuggestions = 20
const mostCandidates = 500

function suggester(): Suggest {
  let left = mostSuggestions
  return (word, candidates) => {
    const all = [...candidates]
    return left-- > 0 && all.length <= mostCandidates ? nearest(word, all) : null
  }
}

type Complaint = { readonly message: string; readonly fix: string }

/** Relative links lead to a file and a heading that exist. */
export function checkLinks(page: Page, targets: Targets): Finding[] {
  const find = finder(page)
  const suggest = suggester()
  return page.places.flatMap(({ node, line }) => {
    if (node.type !== 'link' && node.type !== 'image' && node.type !== 'definition') return []
    const complaint = complaintAbout(page.path, node.url, targets, suggest)
    return complaint ? [find('link', line, complaint.message, complaint.fix)] : []
  })
}

function complaintAbout(from: string, url: string, { slugs, paths }: Targets, suggest: Suggest): Complaint | null {
  if (url.trim() === '') return { message: 'A link has no address.', fix: 'Write one, or leave the text alone.' }
  if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(url)) return null
  const [, file = '', fragment = ''] = /^([^?#]*)[^#]*#?(.*)$/s.exec(url) ?? []
  const path = file === '' ? from : resolved(from, decoded(file))
  const link = quoted(url)
  if (path === null)
    return {
      message: `The link ${link} leads out of the repository.`,
      fix: 'Link to a file in it, or remove the link.',
    }
  if (!paths.has(path)) {
    const close = suggest(path, slugs.keys())
    const fix = close ? `Link to ${close}, or remove the link.` : 'Correct the path, or remove the link.'
    return { message: `The link ${link} leads to ${printable(path, 120)}, which does not exist.`, fix }
  }
  return complaintAboutFragment({ link, path, fragment: decoded(fragment) }, slugs.get(path), suggest)
}

function complaintAboutFragment(
  { link, path, fragment }: { readonly link: string; readonly path: string; readonly fragment: string },
  slugs: ReadonlySet<string> | undefined,
  suggest: Suggest,
): Complaint | null {
  if (!slugs || fragment === '' || fragment === 'top' || slugs.has(fragment)) return null
  const close = suggest(fragment, slugs)
  return {
    message: `The link ${link} leads to a heading that ${path} does not have.`,
    fix: close ? `Write #${printable(close)}` : `Link to ${path} without #${printable(fragment)}, or add the heading.`,
  }
}

/** A path as a link in a file means it, from the root of the repository; null when it leads above it. */
function resolved(from: string, link: string): string | null {
  const parts = link.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const part of link.split('/')) {
    if (part === '..' && parts.pop() === undefined) return null
    if (part !== '..' && part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** `[text][label]` and `[^note]` that the parser left as text, because nothing defines them; `m[i][j]` is no reference. */
const reference = /(?<![\w\\\]])\[([^[\]\n]{1,80})\]\[([^[\]\n]{0,80})\]|(?<!\\)\[(\^[^\s[\]]{1,40})\]/g

/** References and footnotes are defined. */
export function checkReferences(page: Page): Finding[] {
  const find = finder(page)
  return page.places.flatMap(({ node, line }) => {
    if (node.type !== 'text') return []
    const text = typed(page.source, node) ?? node.value
    return matchesIn(text, reference, line).map(({ match, line }) => {
      const label = match[2] || match[1] || match[3] || ''
      return find(
        'link-undefined',
        line,
        `Nothing defines ${quoted(match[0])}.`,
        `Add a line [${label}]: ${label.startsWith('^') ? 'with the note' : 'with the address'}, or write it as code.`,
      )
    })
  })
}
