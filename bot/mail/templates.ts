import type { Button, Post } from '../surface.ts'
import { escaped } from './escaped.ts'

/** A mail without its envelope. */
export type Letter = { readonly subject: string; readonly text: string; readonly html: string }

/** What a mail about a run is for; its subject begins with these words. */
export type LetterKind = 'started' | 'decision' | 'completed' | 'failed' | 'notice'

export type LetterContext = {
  /** Where the page of a decision is; null: this server has no address that a mail could name. */
  readonly publicUrl: string | null
  /** True where the configuration, not the reader, asked for this mail. */
  readonly isConfigured: boolean
}

/** A run was started: what it works on and what comes next. */
export const runStarted = (post: Post, context: LetterContext): Letter =>
  write(post, context, { label: 'Run started', closing: startedClosing })

/** A gate waits for this person: the card, then how to decide. */
export const decisionRequired = (post: Post, context: LetterContext): Letter =>
  write(post, context, {
    label: 'Decision required',
    closing: context.publicUrl === null || post.buttons.length === 0 ? decideElsewhere : decideByLink,
  })

/** A run came to its good end. */
export const runCompleted = (post: Post, context: LetterContext): Letter =>
  write(post, context, { label: 'Run completed', closing: [] })

/** A run failed, was rejected or was cancelled. */
export const runFailed = (post: Post, context: LetterContext): Letter =>
  write(post, context, { label: 'Run failed', closing: [] })

/** Anything else. */
export const notice = (post: Post, context: LetterContext): Letter =>
  write(post, context, { label: 'Notice', closing: [] })

const templates: Readonly<Record<LetterKind, (post: Post, context: LetterContext) => Letter>> = {
  started: runStarted,
  decision: decisionRequired,
  completed: runCompleted,
  failed: runFailed,
  notice,
}

/** The mail for a post. */
export const letterOf = (post: Post, context: LetterContext): Letter => templates[kindOf(post)](post, context)

/** What a post is, told by what it asks for and by the glyph and words of its title. */
export function kindOf({ lines, buttons }: Post): LetterKind {
  const title = lines[0] ?? ''
  if (buttons.length > 0 || title.startsWith('●')) return 'decision'
  if (title.startsWith('✗')) return 'failed'
  if (/\b(?:started|queued)\b/i.test(title)) return 'started'
  return title.startsWith('✓') ? 'completed' : 'notice'
}

const startedClosing = [
  'Next: the repository is read, its documents are written, and you are asked before anything is merged.',
]
const decideByLink = [
  'The link opens a page that asks first: nothing is decided by opening it. It is yours alone: do not forward it.',
]
const decideElsewhere = [
  'Decide in chat, or at the command line: qp gates shows what waits, qp approve <run> says yes,',
  'qp reject <run> <reason> says no.',
]

/** Why this mail came and how to end it, below every one. */
const footerOf = ({ isConfigured }: LetterContext): string =>
  isConfigured
    ? 'This address hears of every run because SMTP_TO of the server names it: whoever runs the server can change that.'
    : 'You asked for this mail. Say /mail off in chat, or qp mail off, to end it.'

/** Proves whose mailbox it is to whoever asked for it, and says nothing else. */
export function codeLetter(code: string): Letter {
  const lines = [
    `Your code is ${code}`,
    `Say /mail ${code} where you asked for it, within 15 minutes. From then on decisions come to this address, and whoever`,
    'reads them here can decide in your name.',
    'You did not ask? Then do nothing: without the code nothing comes here.',
  ]
  return {
    subject: 'QuantaPilot: your code',
    text: `${lines.slice(0, 1).join('\n')}\n\n${lines.slice(1).join('\n')}\n`,
    html: pageOf([
      `<p><strong>${escaped(lines[0] ?? '')}</strong></p>`,
      `<p>${escaped(lines.slice(1, 3).join(' '))}</p>`,
      `<p>${escaped(lines[3] ?? '')}</p>`,
    ]),
  }
}

type Words = { readonly label: string; readonly closing: readonly string[] }
type Link = { readonly label: string; readonly href: string }

function write({ lines, buttons }: Post, context: LetterContext, { label, closing }: Words): Letter {
  const { publicUrl } = context
  const footer = footerOf(context)
  const clean = lines.map(oneLine)
  const title = (clean[0] ?? '').replace(/^[^\p{L}\p{N}]+/u, '').trim()
  const links = publicUrl === null ? [] : buttons.map((button) => linkOf(button, publicUrl))
  return {
    subject: short(title === '' ? `QuantaPilot: ${label}` : `QuantaPilot: ${label}: ${title}`),
    text: textOf(clean, links, [closing, ['-- ', footer]]),
    html: htmlOf(clean, links, { closing, footer }),
  }
}

const linkOf = ({ label, data }: Button, publicUrl: string): Link => ({
  label: oneLine(label),
  href: `${publicUrl}/g/${encodeURIComponent(data)}`,
})

function textOf(lines: readonly string[], links: readonly Link[], rest: readonly (readonly string[])[]): string {
  const buttons = links.map(({ label, href }) => `${label}: ${href}`)
  return [lines, buttons, ...rest]
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')
    .concat('\n')
}

type Ending = { readonly closing: readonly string[]; readonly footer: string }

function htmlOf([title = '', ...rest]: readonly string[], links: readonly Link[], { closing, footer }: Ending): string {
  return pageOf([
    `<p><strong>${escaped(title)}</strong></p>`,
    ...(rest.length > 0 ? [`<p>${rest.map((line) => escaped(line.trim())).join('<br>\n')}</p>`] : []),
    ...links.map(({ label, href }) => `<p><a href="${escaped(href)}">${escaped(label)}</a></p>`),
    ...closing.map((line) => `<p>${escaped(line)}</p>`),
    `<p><small>${escaped(footer)}</small></p>`,
  ])
}

/** No colours, pictures or fonts of our own: the reader's light or dark scheme shows through, and nothing is fetched. */
const pageOf = (content: readonly string[]): string =>
  [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    '</head>',
    '<body style="font-family: sans-serif; line-height: 1.4; max-width: 40em">',
    ...content,
    '</body>',
    '</html>',
    '',
  ].join('\n')

/** Text of others on one line of its own: it can begin no header, hide nothing and turn no writing direction. */
const oneLine = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu, ' ').trimEnd()

/** A subject that mail programs show whole, or nearly. */
const short = (text: string): string => {
  const letters = [...text]
  return letters.length <= 120 ? text : `${letters.slice(0, 119).join('')}…`
}
