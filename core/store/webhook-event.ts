import { z } from 'zod'
import type { PublicEventKind } from '../model/transition.ts'

/**
 * What leaves this server about an event, and nothing else: each event lists its fields, each field its form. Reasons
 * and other free text of people, names and accounts have no field. What does not have its form becomes null.
 */

/** Things that look like data of a person or like a credential, whatever the field they stand in. */
const signs = [
  /[^\s/@]+@[^\s/@]+\.[a-z]{2,}/i, // e-mail
  /(?<![\w.])\+?\d(?:[ ().-]?\d){8,14}(?![\w.])/, // telephone
  /(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)/, // IPv4
  /(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/i, // IPv6
  /\b(?:gh[pousr]|github_pat|xox[abeprs]|xapp|sk|pk|glpat|AKIA|eyJ)[-_A-Za-z0-9]{10,}/i, // tokens
  /\d{5,}:[\w-]{30,}/, // Telegram's
  /\b\d{3}-\d{2}-\d{4}\b/, // social security
  /(?<![0-9a-f])(?=[A-Za-z0-9_]*\d)(?=[A-Za-z0-9_]*[G-Zg-z_])[A-Za-z0-9_]{32,}/, // any long secret that is no digest
]

const isPublic = (text: string): boolean => !signs.some((pattern) => pattern.test(text))

const form = (pattern: RegExp) => z.string().regex(pattern).refine(isPublic).nullable().catch(null)

/** A gate, a pipeline, an outcome: one technical word. */
const word = form(/^[A-Za-z][\w.-]{0,63}$/)
/** A branch or a file. */
const path = form(/^[\w.@+-]+(?:\/[\w.@+-]+){0,15}$/)
const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .nullable()
  .catch(null)
const commit = z
  .string()
  .regex(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/)
  .nullable()
  .catch(null)
const number = z.int().positive().max(1e9).nullable().catch(null)

const payloads = {
  run_started: z
    .object({ pipeline: word, repoUrl: z.unknown(), branch: path })
    .transform(({ pipeline, repoUrl, branch }) => ({ pipeline, repo_url: publicAddress(repoUrl), branch })),
  documentation_generated: z
    .object({ branch: path, commit, prNumber: number })
    .transform(({ branch, commit, prNumber }) => ({ docs_branch: branch, commit, pr_number: prNumber })),
  gate_requested: z.object({ gate: word, artifact: path, sha256 }).transform((fields) => ({
    ...fields,
    description: fields.gate === null ? 'A decision is needed.' : `A decision is needed at gate ${fields.gate}.`,
  })),
  gate_decision: z
    .object({
      gate: word,
      verdict: z.enum(['approved', 'rejected', 'changes_requested', 'expired', 'withdrawn']).nullable().catch(null),
      sha256,
    })
    .transform((fields) => ({ ...fields, approved: fields.verdict === 'approved' })),
  milestone_completed: z
    .object({ milestone: word, milestoneId: word })
    .transform(({ milestone, milestoneId }) => ({ milestone_id: milestoneId ?? milestone })),
  run_paused: z.object({ reason: word }),
  run_resumed: z.object({}),
  run_failed: z.object({ code: word }).transform(({ code }) => ({
    error_code: code,
    message: code === null ? 'The run failed.' : `The run failed with ${code}.`,
  })),
  run_completed: z.object({ outcome: word }),
} as const satisfies Record<PublicEventKind, z.ZodType>

/** The names a webhook may ask for. */
export const webhookEvents = Object.keys(payloads) as readonly PublicEventKind[]

/** What is known of a message beside its payload. */
export type EventFacts = {
  readonly topic: string
  readonly payload: z.infer<ReturnType<typeof z.json>>
  readonly runId: string
  readonly correlationId: string
  readonly projectId: string | null
  readonly sequence: number | null
  readonly at: Date
  readonly address: string | null
  readonly branch: string | null
}

const Fields = z.record(z.string(), z.unknown())

/** The bytes of a delivery; null for what webhooks are never told. The same facts give the same bytes. */
export function webhookBody(facts: EventFacts, deliveryId: string): string | null {
  const event = webhookEvents.find((known) => known === facts.topic)
  if (event === undefined) return null
  const given = Fields.safeParse(facts.payload).data ?? {}
  const known = event === 'run_started' ? { repoUrl: facts.address, branch: facts.branch } : {}
  return JSON.stringify({
    event,
    delivery_id: deliveryId,
    run_id: facts.runId,
    correlation_id: facts.correlationId,
    project_id: facts.projectId,
    sequence: facts.sequence,
    at: facts.at.toISOString(),
    data: payloads[event].parse({ ...given, ...known }),
  })
}

/**
 * A repository's address as the outside may know it: host and path, without user, password and query. Null for a folder,
 * whose path names the person at this machine, and for hosts that are numbers.
 */
function publicAddress(address: unknown): string | null {
  if (typeof address !== 'string') return null
  const [, host, rest] = /^[\w.-]+@([\w.-]+):(?!\/\/)(.+)$/.exec(address) ?? []
  const text = host === undefined ? address : `ssh://${host}/${rest}`
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^(?:https?|ssh):$/.test(url.protocol)) return null
  const bare = `${url.protocol}//${url.host}${url.pathname}`
  return publicForm.test(bare) && isPublic(bare) ? bare : null
}

const publicForm = /^[a-z]+:\/\/[a-z0-9.-]{1,253}(?::\d{1,5})?(?:\/[\w.~+-]{1,100}){1,10}\/?$/
