import { assert, Fault } from '../../core/model/problem.ts'
import type { CodeHost, LabelRequests, RateGate, SentDeliveries } from '../../core/ports.ts'
import type { CommitChecks } from '../../core/workshop.ts'
import { createAppTokens } from './app-tokens.ts'
import { readProtection, setCheckRun, setStatus } from './check.ts'
import { readCommitChecks } from './commit-checks.ts'
import { type Api, type ClientOptions, connect } from './client.ts'
import { type Credentials, type Permissions, sayPermissions } from './credentials.ts'
import { createDeliveries } from './deliveries.ts'
import type { GitHubSettings } from './environment.ts'
import { openIssue } from './issue.ts'
import { createPersonalToken } from './personal-token.ts'
import { mayWrite, removeLabel } from './label.ts'
import { closePullRequest, comment, merge, openPullRequest } from './pull-request.ts'
import { fullName, type Repository, repositoryOf } from './repository.ts'

export type GitHubOptions = Pick<GitHubSettings, 'apiUrl' | 'host' | 'identity'> & {
  readonly userAgent: string
  readonly gate: RateGate
  /** See `ClientOptions`; true unless given. */
  readonly isPaced?: boolean
  /** A minute unless given: as long as twenty pull requests take to have their turn. */
  readonly timeoutMs?: number
}

/** GitHub or a GitHub Enterprise, as one identity. */
export type GitHub = {
  readonly codeHost: CodeHost
  readonly checks: CommitChecks
  readonly labels: LabelRequests
  /** What git needs to read or write at an https address; null where that is not ours. */
  readonly credentialFor: (
    address: string,
    use: { readonly write: boolean },
    signal: AbortSignal,
  ) => Promise<{ readonly username: string; readonly password: string } | null>
  /** Of the App's webhook; null for a token, which may not ask. */
  readonly deliveries: SentDeliveries | null
  /** As whom GitHub knows us, in words. Throws a `Fault` when it does not. */
  readonly whoami: (signal: AbortSignal) => Promise<string>
  /** Takes back the tokens that are still valid. */
  readonly close: () => Promise<void>
}

export function createGitHub(options: GitHubOptions): GitHub {
  const client: ClientOptions = { isPaced: true, timeoutMs: 60_000, ...options }
  const credentials = credentialsOf(options, client)
  const inRepository = enterer({ client, credentials, host: options.host })
  return {
    codeHost: codeHostOf(inRepository, { credentials, host: options.host }),
    checks: {
      of: (address, commit, signal) =>
        inRepository(address, { permissions: { checks: 'read', statuses: 'read' }, signal }, (api, repository) =>
          readCommitChecks(api, repository, commit),
        ),
    },
    labels: {
      mayWrite: (address, account, signal) =>
        inRepository(address, { permissions: { contents: 'read' }, signal }, (api, repository) =>
          mayWrite(api, repository, account),
        ),
      removeLabel: (label, signal) =>
        inRepository(label.address, { permissions: { pull_requests: 'write' }, signal }, (api, repository) =>
          removeLabel(api, repository, label),
        ),
    },
    credentialFor: async (address, { write }, signal) => {
      const repository = address.startsWith('https:') ? repositoryOf(address, options.host) : null
      if (repository === null) return null
      const permissions: Permissions = { contents: write ? 'write' : 'read' }
      return { username: 'x-access-token', password: await credentials.tokenFor(repository, permissions, signal) }
    },
    deliveries: options.identity.kind === 'app' ? createDeliveries({ ...client, ...options.identity }) : null,
    whoami: (signal) => credentials.whoami(signal),
    close: () => credentials.close(),
  }
}

function credentialsOf({ identity }: GitHubOptions, client: ClientOptions): Credentials {
  if (identity.kind === 'token') return createPersonalToken(identity.token, client)
  const { appId, privateKey } = identity
  return createAppTokens({ ...client, appId, privateKey })
}

type Parts = { readonly client: ClientOptions; readonly credentials: Credentials; readonly host: string }

type Entry = { readonly permissions: Permissions; readonly signal: AbortSignal }

/** Works in a repository with a token of just the permissions that the work needs. */
function enterer({ client, credentials, host }: Parts) {
  return async <T>(
    address: string,
    { permissions, signal }: Entry,
    work: (api: Api, repository: Repository) => Promise<T>,
  ): Promise<T> => {
    const repository = repositoryOf(address, host)
    assert(repository, `${address} is not served by ${host}`)
    const token = await credentials.tokenFor(repository, permissions, signal)
    const asked = { of: fullName(repository), as: credentials.kind, needs: sayPermissions(permissions) }
    return await work(connect(client, { token, asked, signal }), repository).catch((error: unknown) => {
      if (error instanceof Fault && error.code === 'TOOL_FAILURE') credentials.forget(token)
      throw error
    })
  }
}

function codeHostOf(
  inRepository: ReturnType<typeof enterer>,
  { credentials, host }: Pick<Parts, 'credentials' | 'host'>,
): CodeHost {
  const isApp = credentials.kind === 'installation'
  return {
    serves: (address) => repositoryOf(address, host) !== null,
    openPullRequest: (draft, signal) =>
      inRepository(draft.address, { permissions: { pull_requests: 'write' }, signal }, (api, repository) =>
        openPullRequest(api, repository, draft),
      ),
    comment: (draft, signal) =>
      inRepository(draft.address, { permissions: { pull_requests: 'write' }, signal }, (api, repository) =>
        comment(api, repository, draft),
      ),
    openIssue: (draft, signal) =>
      inRepository(draft.address, { permissions: { issues: 'write' }, signal }, (api, repository) =>
        openIssue(api, repository, draft),
      ),
    setCheck: (draft, signal) =>
      inRepository(
        draft.address,
        { permissions: isApp ? { checks: 'write' } : { statuses: 'write' }, signal },
        (api, repository) => (isApp ? setCheckRun : setStatus)(api, repository, draft),
      ),
    merge: (order, signal) =>
      inRepository(
        order.address,
        { permissions: { contents: 'write', pull_requests: 'read' }, signal },
        (api, repository) => merge(api, repository, order),
      ),
    protection: (address, branch, signal) =>
      inRepository(address, { permissions: { contents: 'read' }, signal }, (api, repository) =>
        readProtection(api, repository, branch),
      ),
    closePullRequest: ({ address, number }, signal) =>
      inRepository(address, { permissions: { pull_requests: 'write' }, signal }, (api, repository) =>
        closePullRequest(api, repository, number),
      ),
  }
}
