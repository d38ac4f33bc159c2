import { z } from 'zod'
import type { Result } from '../model/problem.ts'
import { accepted, refused } from '../model/problem.ts'
import { publicKinds } from '../model/transition.ts'
import type { WebhookLine } from '../model/webhook.ts'
import { webhookHandle } from '../model/webhook.ts'
import type { AuditDraft } from '../store/audit.ts'
import { uuidv7 } from '../store/uuid.ts'
import { abandonDeliveries, endWebhook, insertWebhook, listWebhooks, queuePing } from '../store/webhook.ts'
import type { Answer, Command, Done, Reply } from './command.ts'
import type { Desk, Request } from './desk.ts'

type Webhook = Extract<Command, { kind: 'webhook' }>
type Act<A extends Webhook['act']> = Request<Extract<Webhook, { act: A }>>

/** Adds, lists, removes or tries an endpoint that other programs listen at. */
export async function webhook(request: Request<Webhook>): Promise<Result<Done>> {
  const { command } = request
  switch (command.act) {
    case 'add':
      return add({ ...request, command })
    case 'list':
      return accepted({ answer: { kind: 'webhook', did: 'list', id: null }, audit: [] })
    case 'remove':
    case 'test':
      return withOne({ ...request, command })
  }
}

async function add(request: Act<'add'>): Promise<Result<Done>> {
  const { tx, actor, command, desk } = request
  // The answer shows a secret, which must not reach a room full of people.
  if (actor.surface !== 'terminal') {
    return refused(
      'not_allowed',
      'A webhook is added at the command line only.',
      'On the server: qp webhook add <URL>.',
    )
  }
  const address = readAddress(command.address, desk.webhooks)
  if (!address.ok) return address
  const id = uuidv7()
  const events = command.events.length === 0 ? publicKinds : command.events
  const [made] = await tx.run(insertWebhook, { id, address: address.value, events, actor: actor.id })
  if (!made) return refused('wrong_state', 'This address has a webhook already.', 'See /webhook list.')
  return accepted({
    answer: { kind: 'webhook', did: 'add', id },
    audit: [
      {
        ...auditOf(request, webhookHandle(made.number), 'add'),
        detail: { host: hostOf(address.value), events: [...events] },
      },
    ],
  })
}

async function withOne(request: Act<'remove' | 'test'>): Promise<Result<Done>> {
  const { tx, command } = request
  const known = (await tx.run(listWebhooks, {})).find(({ number }) => webhookHandle(number) === command.webhook)
  if (!known) return refused('not_found', `There is no webhook ${command.webhook}.`, 'See /webhook list.')
  const answer = { kind: 'webhook', did: command.act, id: known.id } as const
  if (command.act === 'remove') {
    await tx.run(endWebhook, { id: known.id, state: 'removed' })
    await tx.run(abandonDeliveries, { webhook: known.id, error: 'the webhook was removed' })
    return accepted({ answer, audit: [auditOf(request, command.webhook, 'remove')] })
  }
  if (known.state === 'gone') {
    const next = `/webhook remove ${command.webhook}, then add it again.`
    return refused('wrong_state', `The endpoint of ${command.webhook} said that it is gone.`, next)
  }
  await queuePing(tx, known.id)
  return accepted({ answer, audit: [] })
}

/** Draws what a command about webhooks answers, as things now stand. */
export async function drawWebhooks(desk: Desk, { did, id }: Extract<Answer, { kind: 'webhook' }>): Promise<Reply> {
  const rows = await desk.db.run(listWebhooks, {})
  const webhooks = rows.filter((row) => id === null || row.id === id).map(lineOf)
  return { kind: 'webhooks', did, webhooks, secret: did === 'add' && id !== null ? desk.webhooks.secretOf(id) : null }
}

function lineOf(row: z.infer<typeof listWebhooks.row>): WebhookLine {
  const { number, address, events, state, waiting, dead, lastError } = row
  return { handle: webhookHandle(number), address, events, state, waiting, dead, lastError }
}

const Address = z.url({ protocol: /^https?$/ }).max(2_000)

/** Whether a name leads somewhere public is found out when something is sent, each time. */
function readAddress(text: string, { allowedHosts, isPublic }: Desk['webhooks']): Result<string> {
  const parsed = Address.safeParse(text)
  if (!parsed.success)
    return refused('invalid_input', 'A webhook goes to an https URL.', 'Give one: https://ci.example.org/quantapilot')
  const url = new URL(parsed.data)
  if (url.username !== '' || url.password !== '') {
    return refused('invalid_input', 'The URL of a webhook holds no user or password.', 'Check the signature instead.')
  }
  const bare = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const isNamed = allowedHosts?.some((host) => host.toLowerCase() === bare) ?? false
  if (allowedHosts !== null && !isNamed) {
    return refused(
      'not_allowed',
      `Webhooks may not go to ${url.hostname}.`,
      'Add it to QP_WEBHOOK_HOSTS and start again.',
    )
  }
  if (!isNamed && isPublic?.(bare) === false) {
    return refused(
      'invalid_input',
      `${url.hostname} is not public, and webhooks go to public hosts only.`,
      'If it is yours, name it in QP_WEBHOOK_HOSTS and start again.',
    )
  }
  if (url.protocol === 'https:' || isNamed) return accepted(url.href)
  return refused('invalid_input', 'A webhook goes to an https URL.', 'Give the endpoint a certificate.')
}

const hostOf = (address: string): string => new URL(address).host

const auditOf = ({ actor }: Request, target: string, did: 'add' | 'remove'): AuditDraft => ({
  actorId: actor.id,
  action: `webhook.${did}`,
  runId: null,
  correlationId: null,
  target,
  contentSha256: null,
  detail: {},
})
