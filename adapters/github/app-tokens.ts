import { createAppAuth } from '@octokit/auth-app'
import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import { type ClientOptions, connect, orStopped } from './client.ts'
import { type Credentials, type Permissions, sayPermissions } from './credentials.ts'
import type { Asked } from './fault.ts'
import { fullName, isSameRepository, type Repository } from './repository.ts'

export type AppKey = ClientOptions & { readonly appId: string; readonly privateKey: string }

/** A token is not begun to be used with less life than this. */
const spareMs = 5 * 60 * 1_000

type Minted = {
  readonly token: string
  readonly repository: Repository
  /** On the clock of `performance.now()`. */
  readonly usableUntil: number
}

/** A token, and whose signals hold it: it is taken back when the last of them has ended. */
type Entry = { readonly minted: Promise<Minted>; readonly holders: Set<AbortSignal> }

/**
 * Tokens of a GitHub App's installation: one repository and the named permissions each, an hour at most. A token belongs
 * to those whose signals asked for it, and is revoked as soon as the last of these signals is aborted.
 */
export function createAppTokens(options: AppKey): Credentials {
  const cached = new Map<string, Entry>()
  const live = new Set<Minted>()
  const revoke = async (minted: Minted): Promise<void> => {
    if (live.delete(minted)) await revokeToken(options, minted)
  }
  const forget = (key: string, entry: Entry): void => {
    if (cached.get(key) === entry) cached.delete(key)
  }
  const hold = (key: string, entry: Entry, signal: AbortSignal): void => {
    if (entry.holders.has(signal)) return
    entry.holders.add(signal)
    const letGo = (): void => {
      entry.holders.delete(signal)
      if (entry.holders.size > 0) return
      forget(key, entry)
      // It ends by itself within the hour where GitHub cannot be told.
      entry.minted.then(revoke).catch(() => undefined)
    }
    signal.addEventListener('abort', letGo, { once: true })
  }
  /** Several calls may wait for the same token, so that none of them may stop it. */
  const mintAnew = async (repository: Repository, permissions: Permissions): Promise<Minted> => {
    const minted = await mint(options, repository, { permissions, signal: new AbortController().signal })
    live.add(minted)
    return minted
  }
  const open = (key: string, repository: Repository, permissions: Permissions): Entry => {
    const entry = { minted: mintAnew(repository, permissions), holders: new Set<AbortSignal>() }
    cached.set(key, entry)
    return entry
  }
  return {
    kind: 'installation',
    tokenFor: async (repository, permissions, signal) => {
      const key = `${fullName(repository).toLowerCase()} ${sayPermissions(permissions)}`
      const take = async (entry: Entry): Promise<Minted> => {
        hold(key, entry, signal)
        return await orStopped(entry.minted, signal).catch((error: unknown) => {
          if (!signal.aborted) forget(key, entry)
          throw error
        })
      }
      signal.throwIfAborted()
      const known = cached.get(key)
      if (known) {
        const minted = await take(known)
        if (live.has(minted) && minted.usableUntil > performance.now()) return minted.token
        forget(key, known)
      }
      return (await take(cached.get(key) ?? open(key, repository, permissions))).token
    },
    forget: (token) => {
      for (const minted of live) if (minted.token === token) live.delete(minted)
    },
    whoami: async (signal) => {
      const { data } = await (await asApp(options, 'GitHub', signal)).request('GET /app')
      return `the App ${z.object({ slug: z.string() }).parse(data).slug}`
    },
    close: async () => {
      await Promise.allSettled([...cached.values()].map(({ minted }) => minted))
      await Promise.allSettled([...live].map((minted) => revoke(minted)))
      cached.clear()
    },
  }
}

/** GitHub's API as the App itself, proven by its key; good for ten minutes. */
export async function asApp(options: AppKey, of: string, signal: AbortSignal) {
  const { appId, privateKey } = options
  const asked: Asked = { of, as: 'app', needs: 'Metadata: read' }
  const { token } = await createAppAuth({ appId, privateKey })({ type: 'app' }).catch((cause: unknown) => {
    throw wrongKey(cause)
  })
  return connect(options, { token, asked, signal })
}

const installationAnswer = z.object({ id: z.number(), account: z.object({ login: z.string() }) })

const tokenAnswer = z.object({
  token: z.string(),
  expires_at: z.iso.datetime(),
  repositories: z.array(z.object({ full_name: z.string() })).optional(),
})

type Use = { readonly permissions: Permissions; readonly signal: AbortSignal }

async function mint(options: AppKey, repository: Repository, { permissions, signal }: Use): Promise<Minted> {
  const app = await asApp(options, fullName(repository), signal)
  const { owner, name: repo } = repository
  const { data } = await app
    .request('GET /repos/{owner}/{repo}/installation', { owner, repo })
    .catch(notInstalled(repository))
  const installation = installationAnswer.parse(data)
  if (!isSameRepository(installation.account.login, owner)) throw wrongInstallation(repository)
  const answer = await app
    .request('POST /app/installations/{installation_id}/access_tokens', {
      installation_id: installation.id,
      repositories: [repo],
      permissions,
    })
    .catch(notGranted(repository, permissions))
  const minted = tokenAnswer.parse(answer.data)
  // By GitHub's clock at both ends, whatever ours says.
  const lifeMs = Date.parse(minted.expires_at) - Date.parse(answer.headers.date ?? new Date().toISOString())
  const usableUntil = performance.now() + lifeMs - spareMs
  const result: Minted = { token: minted.token, repository, usableUntil }
  const [only, ...others] = minted.repositories ?? []
  if (only === undefined || others.length > 0 || !isSameRepository(only.full_name, fullName(repository))) {
    await revokeToken(options, result)
    throw wrongInstallation(repository)
  }
  return result
}

async function revokeToken(options: ClientOptions, { token, repository }: Minted): Promise<void> {
  const asked: Asked = { of: fullName(repository), as: 'installation', needs: 'nothing' }
  // Whoever waits for the end of the process does not wait for longer than this.
  const signal = AbortSignal.timeout(5_000)
  await connect({ ...options, isPaced: false }, { token, asked, signal }).request('DELETE /installation/token')
}

const notInstalled =
  (repository: Repository) =>
  (error: unknown): never => {
    if (!(error instanceof Fault) || error.code !== 'VALIDATION_ERROR') throw error
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `The GitHub App is not installed on ${fullName(repository)}: install it there (page of the App, Install App), then /retry.`,
      retryable: false,
      cause: error,
    })
  }

/** GitHub answers 422 when an installation lacks a permission that is asked for. */
const notGranted =
  (repository: Repository, permissions: Permissions) =>
  (error: unknown): never => {
    if (!(error instanceof Fault) || error.code !== 'VALIDATION_ERROR') throw error
    if (/repositor(?:y|ies) .*(?:does not exist|not accessible)/i.test(error.message)) notInstalled(repository)(error)
    throw new Fault({
      code: 'PRECONDITION_FAILED',
      message: `The GitHub App may not do this in ${fullName(repository)}: give it ${sayPermissions(permissions)} on the page of the App, accept that for the installation, then /retry.`,
      retryable: false,
      cause: error,
    })
  }

const wrongInstallation = (repository: Repository): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `GitHub answered with an installation that is not the one of ${fullName(repository)}, so it was not used: see where the App is installed.`,
    retryable: false,
  })

const wrongKey = (cause: unknown): Fault =>
  new Fault({
    code: 'FATAL',
    message: 'GITHUB_PRIVATE_KEY cannot be read as a key: give the .pem file GitHub made for the App, as it is.',
    retryable: false,
    cause,
  })
