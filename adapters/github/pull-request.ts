import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { CommentDraft, MergeOrder, PullRequest, PullRequestDraft } from '../../core/ports.ts'
import type { Api } from './client.ts'
import { markerOf, withMarker } from './marker.ts'
import type { Repository } from './repository.ts'

const pullAnswer = z.object({
  number: z.number(),
  html_url: z.string(),
  state: z.string(),
  body: z.string().nullable(),
  base: z.object({ ref: z.string() }),
  labels: z.array(z.object({ name: z.string() })),
})

type Found = z.infer<typeof pullAnswer>

/** Opens a pull request, or adopts the one of this key or branch; with its labels, either way. */
export async function openPullRequest(api: Api, repository: Repository, draft: PullRequestDraft): Promise<PullRequest> {
  const found =
    (await findPullRequest(api, repository, draft)) ??
    (await create(api, repository, draft).catch(async (error: unknown) => {
      // GitHub's list may lag behind: it says itself that there is one.
      const isTaken = error instanceof Fault && /A pull request already exists/.test(error.message)
      const found = isTaken ? await findPullRequest(api, repository, draft) : null
      if (found === null) throw error
      return found
    }))
  const missing = draft.labels.filter((label) => !found.labels.some(({ name }) => name === label))
  if (missing.length > 0) {
    const { owner, name: repo } = repository
    const issue = { owner, repo, issue_number: found.number, labels: missing }
    await api.request('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', issue)
  }
  return { number: found.number, url: found.html_url }
}

/** By the key in the body, whatever became of it; else the open one of this branch, which somebody may have opened by hand. */
async function findPullRequest(
  api: Api,
  { owner, name: repo }: Repository,
  draft: PullRequestDraft,
): Promise<Found | null> {
  const head = `${owner}:${draft.branch}`
  const { data } = await api.request('GET /repos/{owner}/{repo}/pulls', {
    owner,
    repo,
    head,
    state: 'all',
    per_page: 100,
  })
  const pulls = z.array(pullAnswer).parse(data)
  const marker = markerOf(draft.key)
  return (
    pulls.find(({ body }) => body?.includes(marker) === true) ??
    pulls.find(({ state, base }) => state === 'open' && base.ref === draft.base) ??
    null
  )
}

async function create(api: Api, { owner, name: repo }: Repository, draft: PullRequestDraft): Promise<Found> {
  const { title, branch: head, base, key } = draft
  const body = withMarker(draft.body, key)
  const { data } = await api.request('POST /repos/{owner}/{repo}/pulls', { owner, repo, title, head, base, body })
  return pullAnswer.parse(data)
}

const commentAnswer = z.object({ id: z.number(), body: z.string().nullable().optional() })

/** Comments that are searched for a key: 10 pages of 100. */
const pagesSearched = 10

/** One comment per key, edited in place. */
export async function comment(api: Api, { owner, name: repo }: Repository, draft: CommentDraft): Promise<void> {
  const body = withMarker(draft.body, draft.key)
  const issue = { owner, repo, issue_number: draft.number }
  for (let page = 1; page <= pagesSearched; page++) {
    const { data } = await api.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...issue,
      per_page: 100,
      page,
    })
    const comments = z.array(commentAnswer).parse(data)
    const found = comments.find((each) => each.body?.includes(markerOf(draft.key)))
    if (found?.body === body) return
    if (found) {
      const edit = { owner, repo, comment_id: found.id, body }
      return void (await api.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', edit))
    }
    if (comments.length < 100) break
  }
  await api.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...issue, body })
}

const stateAnswer = z.object({
  state: z.string(),
  merged: z.boolean(),
  merge_commit_sha: z.string().nullable(),
  head: z.object({ sha: z.string() }),
})

/** Merges exactly the commit that was approved; one that is merged already counts, where it is the same. */
export async function merge(
  api: Api,
  { owner, name: repo }: Repository,
  order: MergeOrder,
): Promise<{ commit: string }> {
  const { number: pull_number, sha } = order
  const { data } = await api.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', { owner, repo, pull_number })
  const { state, merged, merge_commit_sha, head } = stateAnswer.parse(data)
  if (head.sha !== sha) throw moved(order)
  if (merged) return { commit: merge_commit_sha ?? sha }
  if (state !== 'open')
    throw refuse(`Pull request #${pull_number} was closed without a merge: open it again, then /retry.`)
  await requireBase(api, { owner, name: repo }, order.base)
  const pull = { owner, repo, pull_number, sha, merge_method: order.method }
  const answer = await api
    .request('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', pull)
    .catch((error: unknown) => {
      // 409: between our look and GitHub's.
      throw error instanceof Fault && /Head branch was modified/.test(error.message) ? moved(order) : error
    })
  return { commit: z.object({ sha: z.string() }).parse(answer.data).sha }
}

/** Closes a pull request that is open; what became of it before stays. */
export async function closePullRequest(
  api: Api,
  { owner, name: repo }: Repository,
  pull_number: number,
): Promise<'closed' | 'gone' | 'merged'> {
  const pull = { owner, repo, pull_number }
  const { data } = await api.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', pull)
  const { state, merged } = stateAnswer.parse(data)
  if (state !== 'open') return merged ? 'merged' : 'gone'
  await api.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...pull, state: 'closed' })
  return 'closed'
}

const branchAnswer = z.object({ commit: z.object({ sha: z.string() }) })

async function requireBase(api: Api, { owner, name: repo }: Repository, base: MergeOrder['base']): Promise<void> {
  const { branch, commit } = base
  const { data } = await api.request('GET /repos/{owner}/{repo}/branches/{branch}', { owner, repo, branch })
  const { sha } = branchAnswer.parse(data).commit
  if (sha === commit) return
  throw refuse(`${branch} has moved to ${sha.slice(0, 12)} since this was approved: nothing was merged.`)
}

const moved = ({ number, sha }: MergeOrder): Fault =>
  refuse(
    `The branch of pull request #${number} has moved since ${sha.slice(0, 12)} was approved: nothing was merged. Look at what is new and decide again.`,
  )

const refuse = (message: string): Fault => new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false })
