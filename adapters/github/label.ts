import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { Api } from './client.ts'
import type { Repository } from './repository.ts'

/** Of `maintain` GitHub says `write` here, of `triage` it says `read`. */
const permissionAnswer = z.object({ permission: z.string() })

/** https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user */
export async function mayWrite(api: Api, { owner, name: repo }: Repository, username: string): Promise<boolean> {
  const { data } = await api
    .request('GET /repos/{owner}/{repo}/collaborators/{username}/permission', { owner, repo, username })
    .catch((error: unknown) => {
      // Nobody of that name works there.
      if (error instanceof Fault && error.code === 'VALIDATION_ERROR') return { data: { permission: 'none' } }
      throw error
    })
  return ['admin', 'write'].includes(permissionAnswer.parse(data).permission)
}

/** Takes a label off a pull request; absent is success. */
export async function removeLabel(
  api: Api,
  { owner, name: repo }: Repository,
  { number, name }: { readonly number: number; readonly name: string },
): Promise<void> {
  const label = { owner, repo, issue_number: number, name }
  await api
    .request('DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}', label)
    .catch((error: unknown) => {
      if (!(error instanceof Fault) || error.code !== 'VALIDATION_ERROR') throw error
    })
}
