import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Command, Reply } from '../../core/commands/command.ts'
import type { GateCard } from '../../core/model/card.ts'
import type { Result } from '../../core/model/problem.ts'
import { unreachable } from '../../core/model/problem.ts'
import { sayDecision, sayGate, sayRefusal, sayReply } from '../phrase.ts'
import { escaped } from './escaped.ts'

/** What a page answers with, whatever server serves it. */
export type Page = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the token of a link shows. */
export type GateLink = {
  readonly gate: GateCard
  /** For the person: `parcel-desk`; null for a run without a project. */
  readonly project: string | null
}

export type GatePageParts = {
  /** Null for a token that was never given out or is worth nothing any more. */
  readonly find: (token: string) => Promise<GateLink | null>
  /** Does it as the recipient of the link; the same delivery again hears the same answer. */
  readonly decide: (token: string, command: Command, deliveryId: string) => Promise<Result<Reply>>
}

/** The pages behind the links of a mail: opening one asks, and only sending its form decides. */
export interface GatePages {
  get(token: string): Promise<Page>
  /** `form` is the parsed body: `choice`, and `reason` for whatever is no approval. */
  post(token: string, form: unknown): Promise<Page>
}

/**
 * Whoever has the token acts as its recipient, with the roles that person has at that moment. No cookie is involved, so
 * no other site can act for them. The same form again is the same delivery and hears the same answer; another choice is
 * refused where the gate has this person's decision, and heard where the first one was refused.
 */
export function createGatePages({ find, decide }: GatePageParts): GatePages {
  return {
    get: async (token) => {
      const link = await find(token)
      return link === null ? unknownLink : gatePage(link)
    },
    post: async (token, form) => {
      const link = await find(token)
      if (link === null) return unknownLink
      const parsed = Form.safeParse(form)
      if (!parsed.success) return gatePage(link, 'Say why: the reason is kept with the decision.', 422)
      const command = commandOf(link.gate, parsed.data)
      const answer = await decide(token, command, deliveryIdOf(token, parsed.data))
      if (answer.ok) return page(200, 'Decided', [`<p>${escaped(sayReply(answer.value).join(' '))}</p>`])
      return page(
        409,
        'Not decided',
        sayRefusal(answer.refusal).map((line) => `<p>${escaped(line)}</p>`),
      )
    },
  }
}

const reason = z.string().trim().min(1).max(2_000)

const Form = z.discriminatedUnion('choice', [
  z.object({ choice: z.literal('approve') }),
  z.object({ choice: z.literal('changes'), reason }),
  z.object({ choice: z.literal('reject'), reason }),
])

type Form = z.infer<typeof Form>

/** The bytes that the page showed are named, so that a later version is never decided by an old page. */
function commandOf({ handle, gateId, subject }: GateCard, form: Form): Command {
  const gate = { run: handle, gate: gateId, sha256: subject.artifact.sha256 || null }
  switch (form.choice) {
    case 'approve':
      return { kind: 'approve', ...gate }
    case 'changes':
    case 'reject':
      return { kind: form.choice, ...gate, reason: form.reason }
    default:
      return unreachable(form)
  }
}

/** The token itself is kept nowhere. */
const deliveryIdOf = (token: string, form: Form): string =>
  `link ${createHash('sha256')
    .update(JSON.stringify([token, form]))
    .digest('hex')}`

/** The gate's card, and while it is open the forms that decide it. */
function gatePage({ gate, project }: GateLink, problem: string | null = null, status = 200): Page {
  const title = `${project === null ? '' : `${project}: `}${gate.subject.artifact.name}`
  const isOpen = gate.verdict === null
  const lines = isOpen ? sayGate(gate) : [sayDecision(gate)]
  return page(status, title, [
    ...(problem === null ? [] : [`<p role="alert"><strong>${escaped(problem)}</strong></p>`]),
    `<p>Run ${escaped(gate.handle)}</p>`,
    `<pre>${lines.map(escaped).join('\n')}</pre>`,
    ...(isOpen ? forms(gate.kind) : ['<p>Nothing is left to decide here.</p>']),
  ])
}

/** Two forms, so that a reason is required by the browser itself exactly where one is needed. */
const forms = (kind: GateCard['kind']): readonly string[] => [
  `<form method="post"><button name="choice" value="approve">${kind === 'plan' ? 'Approve these exact bytes' : 'Allow this money'}</button></form>`,
  '<form method="post">',
  '<label for="reason">Why, or what to change</label>',
  ...(kind === 'plan'
    ? ['<p>What shall change becomes part of the documents: say nothing about people there.</p>']
    : []),
  '<textarea id="reason" name="reason" required maxlength="2000" rows="4"></textarea>',
  ...(kind === 'plan' ? ['<button name="choice" value="changes">Send back for changes</button>'] : []),
  '<button name="choice" value="reject">Reject</button>',
  '</form>',
]

const style =
  'body{font:1rem/1.5 sans-serif;max-width:40rem;margin:auto;padding:1rem}pre{white-space:pre-wrap;font:inherit}' +
  'button,textarea{font:inherit;width:100%;padding:.75rem;margin:.5rem 0;box-sizing:border-box}'

const styleHash = createHash('sha256').update(style).digest('base64')

const headers = {
  'Content-Type': 'text/html; charset=utf-8',
  // No script, no picture, nothing from elsewhere; nobody may frame the buttons.
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  // The address holds the token.
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Robots-Tag': 'noindex',
}

const page = (status: number, title: string, content: readonly string[]): Page => ({
  status,
  headers,
  body: [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>QuantaPilot: ${escaped(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    `<h1>${escaped(title)}</h1>`,
    ...content,
    '</body>',
    '</html>',
    '',
  ].join('\n'),
})

const unknownLink = page(404, 'This link leads nowhere', [
  '<p>It may be cut off, too old or taken back. Copy the whole of it from the mail, or decide in chat: /gates shows what waits.</p>',
])
