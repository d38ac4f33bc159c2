import { z } from 'zod'
import type { BranchProtection, CheckDraft } from '../../core/ports.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Api } from './client.ts'
import type { Repository } from './repository.ts'

const checkRuns = z.object({ check_runs: z.array(z.object({ id: z.number(), external_id: z.string().nullable() })) })

/** One check run per key, which only a GitHub App may make. */
export async function setCheckRun(api: Api, { owner, name: repo }: Repository, draft: CheckDraft): Promise<void> {
  const { name, commit, key } = draft
  const lookup = { owner, repo, ref: commit, check_name: name, per_page: 100 }
  const { data } = await api.request('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', lookup)
  const found = checkRuns.parse(data).check_runs.find(({ external_id }) => external_id === key)
  const shown = {
    owner,
    repo,
    name,
    output: { title: name, summary: draft.summary },
    ...(draft.state === 'pending'
      ? ({ status: 'in_progress' } as const)
      : ({ status: 'completed', conclusion: draft.state } as const)),
  }
  if (found)
    await api.request('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', { ...shown, check_run_id: found.id })
  else await api.request('POST /repos/{owner}/{repo}/check-runs', { ...shown, head_sha: commit, external_id: key })
}

/** GitHub's limit of a status line. */
const longestDescription = 140

const statuses = z.array(z.object({ context: z.string(), state: z.string(), description: z.string().nullable() }))

/** A commit status, for who may not make check runs. The newest of a name is the one that shows. */
export async function setStatus(api: Api, { owner, name: repo }: Repository, draft: CheckDraft): Promise<void> {
  const { commit, name: context, state } = draft
  const description = draft.summary.slice(0, longestDescription)
  const { data } = await api.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', {
    owner,
    repo,
    ref: commit,
    per_page: 100,
  })
  const newest = statuses.parse(data).find((each) => each.context === context)
  if (newest?.state === state && newest.description === description) return
  const status = { owner, repo, sha: commit, context, state, description }
  await api.request('POST /repos/{owner}/{repo}/statuses/{sha}', status)
}

const branchAnswer = z.object({
  protected: z.boolean(),
  protection: z.object({ required_status_checks: z.object({ contexts: z.array(z.string()) }).optional() }).optional(),
})

const rules = z.array(
  z.object({
    type: z.string(),
    parameters: z
      .object({
        required_approving_review_count: z.number().optional(),
        required_status_checks: z.array(z.object({ context: z.string() })).optional(),
      })
      .optional(),
  }),
)

/** Classic protection and rulesets together, as far as they may be read without being an admin. */
export async function readProtection(
  api: Api,
  { owner, name: repo }: Repository,
  branch: string,
): Promise<BranchProtection> {
  const answer = await api.request('GET /repos/{owner}/{repo}/branches/{branch}', { owner, repo, branch })
  const classic = branchAnswer.parse(answer.data)
  const { data } = await api
    .request('GET /repos/{owner}/{repo}/rules/branches/{branch}', { owner, repo, branch, per_page: 100 })
    .catch((error: unknown) => {
      // An older GitHub Enterprise knows no rulesets.
      if (error instanceof Fault && error.code === 'VALIDATION_ERROR') return { data: [] }
      throw error
    })
  const active = rules.parse(data)
  const ruled = active
    .flatMap(({ parameters }) => parameters?.required_status_checks ?? [])
    .map(({ context }) => context)
  return {
    isProtected: classic.protected || active.length > 0,
    requiredChecks: [...new Set([...(classic.protection?.required_status_checks?.contexts ?? []), ...ruled])],
    requiredApprovals: Math.max(0, ...active.map(({ parameters }) => parameters?.required_approving_review_count ?? 0)),
  }
}
