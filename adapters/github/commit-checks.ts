import { z } from 'zod'
import type { CommitCheck } from '../../core/workshop.ts'
import type { Api } from './client.ts'
import type { Repository } from './repository.ts'

const runs = z.object({
  check_runs: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      conclusion: z.string().nullable(),
      html_url: z.string().nullable().optional(),
      app: z.object({ id: z.number() }).nullable().optional(),
    }),
  ),
})

const statuses = z.array(
  z.object({ context: z.string(), state: z.string(), target_url: z.string().nullable().optional() }),
)

/** Ours say what people decided, which is no finding about the code. */
const isOurs = (name: string): boolean => name.startsWith('QuantaPilot ')

/** Conclusions that let a commit pass where a check is required. */
const passes: ReadonlySet<string | null> = new Set(['success', 'neutral', 'skipped'])

/** Pages of 100 that are read of either kind. */
const maxPages = 5

/**
 * Check runs and commit statuses, the newest of each name, without our own. Runs of one name from several Apps stand side by
 * side, so that none hides what another found.
 */
export async function readCommitChecks(
  api: Api,
  { owner, name: repo }: Repository,
  commit: string,
): Promise<readonly CommitCheck[]> {
  const found = new Map<string, CommitCheck>()
  const note = (from: string, check: CommitCheck): void => {
    const key = `${from} ${check.name}`
    if (!isOurs(check.name) && !found.has(key)) found.set(key, check)
  }
  const asked = { owner, repo, ref: commit, per_page: 100 }
  for (let page = 1; page <= maxPages; page++) {
    // GitHub's default filter is the latest run of each name and App.
    const { data } = await api.request('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ...asked, page })
    const { check_runs } = runs.parse(data)
    for (const { name, status, conclusion, html_url, app } of check_runs) {
      const ended = passes.has(conclusion) ? 'success' : 'failure'
      note(`app ${app?.id ?? 0}`, { name, state: status === 'completed' ? ended : 'pending', url: html_url ?? null })
    }
    if (check_runs.length < 100) break
  }
  for (let page = 1; page <= maxPages; page++) {
    // Newest first.
    const { data } = await api.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', { ...asked, page })
    const read = statuses.parse(data)
    for (const { context, state, target_url } of read)
      note('status', { name: context, state: stateOf(state), url: target_url ?? null })
    if (read.length < 100) break
  }
  return [...found.values()]
}

function stateOf(state: string): CommitCheck['state'] {
  if (state === 'pending' || state === 'success') return state
  return 'failure'
}
