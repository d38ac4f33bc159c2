import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  bytesOf,
  type Doorman,
  git,
  listen,
  startGitHost,
  stop,
} from '../../../adapters/git/source-control.fixtures.ts'
import { createGitHub, type GitHub, type GitHubOptions } from '../../../adapters/github/github.ts'
import { createRateGate } from '../../../adapters/github/rate-gate.ts'
import type { World } from '../house.ts'
import { type Answer, answerRest, Refusal } from './rest.ts'
import {
  type Installation,
  type Mishap,
  type Pace,
  mayDo,
  mayTouch,
  nextId,
  newState,
  nowOf,
  type Repository,
  type State,
  validToken,
} from './state.ts'

/**
 * A GitHub of our own on 127.0.0.1: the REST API as documented and git over https, both over one real bare repository.
 * `emulate`'s GitHub is not used: it keeps commits of its own, which no push reaches, and has no git to push to, so a
 * pull request there could never be about what was really pushed.
 */
export type FakeGitHub = {
  readonly state: State
  /** `https://localhost:4711` */
  readonly url: string
  readonly apiUrl: string
  /** Vouches for it. */
  readonly caFile: string
  /** A bare repository with these files in one commit on `main`. */
  repository(
    fullName: string,
    files: Readonly<Record<string, string>>,
  ): Promise<Repository & { readonly address: string }>
  /** A personal token that may do everything there is, unless told what. */
  personalToken(permissions?: Readonly<Record<string, string>>): string
  /** A GitHub App with these installations; answers with its identity. */
  app(installations: readonly Partial<Installation>[]): Extract<GitHubOptions['identity'], { kind: 'app' }>
  /** Sends an event to the App's webhook, which answered with this status; 0: not at all. Answers with its GUID. */
  tells(event: string, payload: Readonly<Record<string, unknown>>, statusCode: number): string
  /** Lets something go wrong with the next request that fits. */
  goesWrong(on: RegExp, kind: Mishap['kind']): void
  /** The product's GitHub adapter as this identity; closed at the end of the test unless before. */
  as(identity: GitHubOptions['identity'], more?: Partial<GitHubOptions>): GitHub
  /** What a house needs to reach it. */
  world(github: GitHub): World
}

/** Everything an App of ours is ever given. */
export const allGranted = {
  contents: 'write',
  pull_requests: 'write',
  issues: 'write',
  checks: 'write',
  metadata: 'read',
}

export async function startGitHub(): Promise<FakeGitHub> {
  const state = newState()
  const root = await mkdtemp(join(tmpdir(), 'qp-github-'))
  const api = (request: IncomingMessage, response: ServerResponse) => serve(state, request, response)
  const host = await startGitHost(root, { doorman: doormanOf(state), api })
  const server = createServer((request, response) => {
    serve(state, request, response).catch(() => response.destroy())
  })
  const port = await listen(server)
  onTestFinished(async () => {
    await stop(server)
    await host.close()
    await rm(root, { recursive: true, force: true })
  })
  const apiUrl = `http://127.0.0.1:${port}/api/v3`
  return {
    state,
    url: host.url,
    apiUrl,
    caFile: host.caFile,
    repository: async (fullName, files) => {
      const folder = join(root, `${fullName}.git`)
      const made = {
        ...emptyRepository,
        fullName,
        folder,
        pulls: [],
        comments: [],
        issues: [],
        checkRuns: [],
        statuses: [],
        people: {},
        requiredChecks: [],
      }
      await makeBare(folder, files)
      state.repositories.push(made)
      return Object.assign(made, { address: `${host.url}/${fullName}.git` })
    },
    personalToken: (permissions) => {
      const token = `github_pat_canary${state.tokens.length}`
      const rest = {
        repositories: null,
        permissions: permissions ?? null,
        expiresAt: Number.POSITIVE_INFINITY,
        revoked: false,
      }
      state.tokens.push({ token, kind: 'personal', ...rest })
      return token
    },
    app: (installations) => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
      const made = installations.map((each, index) => ({ ...emptyInstallation, id: index + 1, ...each }))
      state.app = { id: '4711', slug: 'quantapilot-test', publicKey, installations: made }
      return { kind: 'app', appId: '4711', privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString() }
    },
    tells: (event, payload, statusCode) => {
      const guid = randomUUID()
      const id = `${170_000_000_000_000_001n + BigInt(nextId(state))}`
      const action = typeof payload['action'] === 'string' ? payload['action'] : null
      const deliveredAt = new Date(nowOf(state))
      state.deliveries.push({ id, guid, event, action, deliveredAt, redelivery: false, statusCode, payload })
      return guid
    },
    goesWrong: (on, kind) => void state.mishaps.push({ on, kind }),
    as: (identity, more = {}) => {
      const options = {
        apiUrl,
        host: new URL(host.url).host,
        userAgent: 'test',
        gate: createRateGate(),
        isPaced: false,
      }
      const github = createGitHub({ ...options, identity, timeoutMs: 5_000, ...more })
      onTestFinished(() => github.close())
      return github
    },
    world: ({ codeHost, labels, credentialFor }) => ({
      codeHost,
      labels,
      git: { allowedHosts: ['localhost'], caFile: host.caFile, credentialFor },
    }),
  }
}

const emptyRepository = { requiredApprovals: null }

const emptyInstallation: Installation = {
  id: 0,
  account: 'olivia',
  repositories: [],
  permissions: allGranted,
  isSuspended: false,
}

/** As GitHub does for git: a token that may not see a repository is told there is none. */
const doormanOf =
  (state: State): Doorman =>
  ({ repository, write, username, password }) => {
    const name = repository.replace(/^\//, '').replace(/\.git$/, '')
    state.requests.push(`git ${write ? 'push' : 'fetch'} ${name}`)
    const token = username === 'x-access-token' ? validToken(state, password) : null
    if (token === null) return 401
    if (!mayTouch(token, name)) return 404
    return mayDo(token, 'contents', write ? 'write' : 'read') ? 200 : 403
  }

async function makeBare(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true })
  await git(dirname(folder), ['init', '-q', '--bare', folder])
  const lines = Object.entries(files).map(
    ([name, text]) => `M 100644 inline ${name}\ndata ${Buffer.byteLength(text)}\n${text}\n`,
  )
  const head = 'commit refs/heads/main\ncommitter Olivia <o@example.test> 1700000000 +0000\ndata 5\nfirst\n'
  await git(folder, ['fast-import', '--quiet'], head + lines.join(''))
}

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const bytes = await bytesOf(request)
  const line = `${request.method} ${url.pathname.replace(/^\/api\/v3/, '')}`
  state.requests.push(line)
  await state.beforeAnswer(line)
  const limit = state.pace && overPace(state.pace)
  if (limit) return send(state, response, limit)
  const at = state.mishaps.findIndex(({ on }) => on.test(line))
  const [mishap] = at === -1 ? [] : state.mishaps.splice(at, 1)
  if (mishap?.kind === 'no answer') return
  if (mishap?.kind === 'connection dropped') return void response.destroy()
  const spoilt = mishap ? spoiltAnswer(state, mishap.kind) : null
  const answer = spoilt ?? (await answerOf(state, request, { url, bytes }))
  await state.afterEffect(line)
  if (mishap?.kind === 'answer dropped') return void response.destroy()
  send(state, response, answer)
}

/** Null: the request has a slot. Otherwise it hears when the next window begins. */
function overPace(pace: Pace): Answer | null {
  const now = performance.now()
  if (now >= pace.since + pace.windowMs) Object.assign(pace, { since: now, used: 0 })
  pace.calls++
  if (pace.used < pace.slots) {
    pace.used++
    return null
  }
  const seconds = Math.ceil((pace.since + pace.windowMs - now) / 1_000)
  return {
    status: 429,
    headers: { 'retry-after': `${seconds}` },
    body: { message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.' },
  }
}

async function answerOf(
  state: State,
  request: IncomingMessage,
  { url, bytes }: { readonly url: URL; readonly bytes: Buffer },
): Promise<Answer> {
  const { method = '', headers } = request
  const body: unknown = bytes.length > 0 ? JSON.parse(bytes.toString()) : null
  const authorization = headers.authorization ?? ''
  return await answerRest(state, { method, url, authorization, body }).catch((error: unknown) => {
    if (error instanceof Refusal) return error.answer
    return { status: 400, body: { message: `Problems parsing JSON: ${String(error)}` } }
  })
}

function spoiltAnswer(state: State, kind: Mishap['kind']): Answer | null {
  switch (kind) {
    case 'bad gateway':
      return { status: 502, body: { message: 'Server Error' } }
    case 'secondary limit':
      return {
        status: 403,
        headers: { 'retry-after': '7' },
        body: { message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.' },
      }
    case 'primary limit': {
      const reset = `${Math.ceil(nowOf(state) / 1_000) + 90}`
      const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }
      return { status: 403, headers, body: { message: 'API rate limit exceeded for user ID 1.' } }
    }
    case 'moved':
      return {
        status: 301,
        headers: { location: 'http://127.0.0.1:9/elsewhere' },
        body: { message: 'Moved Permanently' },
      }
    case 'list lags behind':
      return { status: 200, body: [] }
    default:
      return null
  }
}

function send(state: State, response: ServerResponse, { status, body, headers = {} }: Answer): void {
  const date = new Date(nowOf(state)).toUTCString()
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', date, ...headers })
  // Numbers of deliveries are larger than JavaScript's.
  response.end(status === 204 ? undefined : JSON.stringify(body).replace(/"id":"(\d+)"/g, '"id":$1'))
}
