import { z } from 'zod'
import type { Issue, IssueDraft } from '../../core/ports.ts'
import type { Api } from './client.ts'
import { markerOf, withMarker } from './marker.ts'
import type { Repository } from './repository.ts'

const issueAnswer = z.object({ number: z.number(), html_url: z.string(), body: z.string().nullable().optional() })

/** Issues that are searched for a key, the newest first: 3 pages of 100. GitHub's own search lags minutes behind. */
const pagesSearched = 3

/** Opens an issue, or answers with the one of this key, open or closed. */
export async function openIssue(api: Api, repository: Repository, draft: IssueDraft): Promise<Issue> {
  const { owner, name: repo } = repository
  const { title, labels, key } = draft
  const found = await findIssue(api, repository, key)
  if (found) return found
  const body = withMarker(draft.body, key)
  const issue = { owner, repo, title, body, labels: [...labels] }
  const { data } = await api.request('POST /repos/{owner}/{repo}/issues', issue)
  return shown(issueAnswer.parse(data))
}

/** Not by label: who may not set labels has them dropped without a word. */
async function findIssue(api: Api, { owner, name: repo }: Repository, key: string): Promise<Issue | null> {
  for (let page = 1; page <= pagesSearched; page++) {
    const { data } = await api.request('GET /repos/{owner}/{repo}/issues', {
      owner,
      repo,
      state: 'all',
      sort: 'created',
      direction: 'desc',
      per_page: 100,
      page,
    })
    const issues = z.array(issueAnswer).parse(data)
    const found = issues.find(({ body }) => body?.includes(markerOf(key)))
    if (found) return shown(found)
    if (issues.length < 100) break
  }
  return null
}

const shown = ({ number, html_url: url }: z.infer<typeof issueAnswer>): Issue => ({ number, url })
