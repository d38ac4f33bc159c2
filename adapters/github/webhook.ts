import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { assert } from '../../core/model/problem.ts'

/** Headers by their lower-case names, as `node:http` hands them over; a header sent twice is a list or joined by a comma. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Whether one of our secrets signed exactly these bytes. Only `X-Hub-Signature-256` counts: the older SHA-1 header is not
 * looked at. Never throws for what was sent. Throws a Defect for an empty secret, with which anybody could sign.
 * https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
 */
export function verify(secrets: readonly string[], headers: Headers, rawBody: Uint8Array): boolean {
  for (const secret of secrets) assert(secret.trim() !== '', 'a webhook secret is not empty')
  const given = headers['x-hub-signature-256']
  // 64 digits are 32 bytes, as many as ours: timingSafeEqual throws on any other length.
  const hex = typeof given === 'string' ? /^sha256=([0-9a-f]{64})$/.exec(given)?.[1] : undefined
  if (hex === undefined) return false
  const signature = Buffer.from(hex, 'hex')
  // All are tried, so that the time tells nothing of which one it was.
  const fits = secrets.map((secret) =>
    timingSafeEqual(createHmac('sha256', secret).update(rawBody).digest(), signature),
  )
  return fits.includes(true)
}

/** What a delivery means to us; `repository` is `owner/name`. */
export type GitHubEvent =
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'pull_request'
      readonly change: 'merged' | 'closed'
      readonly repository: string
      readonly number: number
      /** As people see it in a browser. */
      readonly url: string
      /** Where its branch stood. */
      readonly head: string
      /** What came of the merge. */
      readonly mergeCommit: string | null
    }
  | {
      readonly kind: 'label'
      readonly repository: string
      readonly number: number
      readonly url: string
      readonly label: string
      /** Whose account put it there. */
      readonly by: string
      /** Null: it is not merged. */
      readonly mergeCommit: string | null
    }
  | {
      readonly kind: 'checks'
      readonly repository: string
      readonly commit: string
      /** Null: a whole suite, for which GitHub has no name. */
      readonly name: string | null
      readonly passed: boolean
    }
  | {
      readonly kind: 'push'
      readonly repository: string
      readonly branch: string
      /** Null: the branch was deleted. */
      readonly commit: string | null
    }
  /** Nothing to do; `why` is for the log. */
  | { readonly kind: 'ignored'; readonly why: string }

const repository = z.object({ full_name: z.string() }).transform(({ full_name }) => full_name)

const sha = z.string().regex(/^[0-9a-f]{40}$/)

const pullRequestBody = z.object({
  action: z.string(),
  repository,
  pull_request: z.object({
    number: z.number().int(),
    html_url: z.string(),
    merged: z.boolean(),
    merge_commit_sha: sha.nullable(),
    head: z.object({ sha }),
  }),
})

const labelBody = pullRequestBody.extend({
  label: z.object({ name: z.string() }),
  sender: z.object({ login: z.string() }),
})

const isLabelled = (body: unknown): boolean => z.object({ action: z.literal('labeled') }).safeParse(body).success

const finished = z.object({ head_sha: sha, conclusion: z.string().nullable() })
const checkSuiteBody = z.object({ action: z.string(), repository, check_suite: finished })
const checkRunBody = z.object({ action: z.string(), repository, check_run: finished.extend({ name: z.string() }) })
const statusBody = z.object({ repository, sha, context: z.string(), state: z.string() })
const pushBody = z.object({ repository, ref: z.string(), after: sha, deleted: z.boolean() })

/** Conclusions that GitHub itself lets a required check pass with. */
const passing = new Set(['success', 'neutral', 'skipped'])

/** Reads a verified delivery: `event` is its `X-GitHub-Event`. Null when the body is not what GitHub documents for it. */
export function understand(event: string, body: unknown): GitHubEvent | null {
  switch (event) {
    case 'ping':
      return { kind: 'ping' }
    case 'pull_request':
      if (isLabelled(body)) return read(labelBody, body, labelled)
      return read(pullRequestBody, body, ({ action, repository, pull_request: pull }) =>
        action === 'closed'
          ? {
              kind: 'pull_request',
              change: pull.merged ? 'merged' : 'closed',
              repository,
              number: pull.number,
              url: pull.html_url,
              head: pull.head.sha,
              mergeCommit: pull.merged ? pull.merge_commit_sha : null,
            }
          : ignored(`pull_request ${action}`),
      )
    case 'check_suite':
      return read(checkSuiteBody, body, ({ action, repository, check_suite }) =>
        action === 'completed' ? checks(repository, null, check_suite) : ignored(`check_suite ${action}`),
      )
    case 'check_run':
      return read(checkRunBody, body, ({ action, repository, check_run }) =>
        action === 'completed' ? checks(repository, check_run.name, check_run) : ignored(`check_run ${action}`),
      )
    case 'status':
      return read(statusBody, body, ({ repository, sha, context, state }) =>
        state === 'pending'
          ? ignored('status pending')
          : { kind: 'checks', repository, commit: sha, name: context, passed: state === 'success' },
      )
    case 'push':
      return read(pushBody, body, ({ repository, ref, after, deleted }) =>
        ref.startsWith('refs/heads/')
          ? { kind: 'push', repository, branch: ref.slice('refs/heads/'.length), commit: deleted ? null : after }
          : ignored('push of a tag'),
      )
    default:
      // Comments among them: what people write there never steers a run.
      return ignored(event)
  }
}

function read<T>(shape: z.ZodType<T>, body: unknown, say: (read: T) => GitHubEvent): GitHubEvent | null {
  const parsed = shape.safeParse(body)
  return parsed.success ? say(parsed.data) : null
}

const labelled = ({ repository, pull_request: pull, label, sender }: z.infer<typeof labelBody>): GitHubEvent => ({
  kind: 'label',
  repository,
  number: pull.number,
  url: pull.html_url,
  label: label.name,
  by: sender.login,
  mergeCommit: pull.merged ? pull.merge_commit_sha : null,
})

const checks = (
  repository: string,
  name: string | null,
  { head_sha, conclusion }: z.infer<typeof finished>,
): GitHubEvent => ({
  kind: 'checks',
  repository,
  commit: head_sha,
  name,
  passed: conclusion !== null && passing.has(conclusion),
})

const ignored = (why: string): GitHubEvent => ({ kind: 'ignored', why })
