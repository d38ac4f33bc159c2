import { createVerify, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { git } from '../../../adapters/git/source-control.fixtures.ts'
import type { CheckRun, Issue, Pull, Repository, SentDelivery, State, Token } from './state.ts'
import { mayDo, mayTouch, nextId, nowOf, sameName, validToken } from './state.ts'

/** GitHub's REST API as documented, as far as this product uses it, over real bare repositories. */

export type Request = {
  readonly method: string
  readonly url: URL
  readonly authorization: string
  readonly body: unknown
}

export type Answer = {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export class Refusal extends Error {
  readonly answer: Answer
  constructor(status: number, message: string, more: { errors?: unknown[]; headers?: Record<string, string> } = {}) {
    super(message)
    const { headers = {}, errors } = more
    this.answer = { status, headers, body: { message, ...(errors ? { errors } : {}) } }
  }
}

type Here = {
  readonly state: State
  readonly request: Request
  readonly token: Token
  readonly repository: Repository
  /** What the path's variable parts were, in order. */
  readonly parts: readonly string[]
}

type Route = {
  readonly on: RegExp
  /** Any one of these permissions will do. */
  readonly needs: readonly string[]
  readonly level: 'read' | 'write'
  answer(here: Here): Promise<Answer>
}

/** Answers one request. */
export async function answerRest(state: State, request: Request): Promise<Answer> {
  const { method, url } = request
  const line = `${method} ${url.pathname.replace(/^\/api\/v3/, '')}`
  for (const [on, answer] of appRoutes) {
    const found = on.exec(line)
    if (found) return answer(state, request, found.slice(1).map(decodeURIComponent))
  }
  const token = requireToken(state, request)
  if (line === 'GET /user') {
    if (token.kind !== 'personal') throw new Refusal(403, 'Resource not accessible by integration')
    return { status: 200, body: { login: 'olivia' } }
  }
  for (const route of routes) {
    const found = route.on.exec(line)
    if (!found) continue
    const [, owner, name, ...parts] = found.map((part) => decodeURIComponent(part ?? ''))
    const repository = state.repositories.find(({ fullName }) => sameName(fullName, `${owner}/${name}`))
    if (!repository || !mayTouch(token, repository.fullName)) throw new Refusal(404, 'Not Found')
    if (!route.needs.some((permission) => mayDo(token, permission, route.level))) throw forbidden(token, route)
    if (line.includes('/pulls')) await follow(repository)
    return await route.answer({ state, request, token, repository, parts })
  }
  throw new Refusal(404, 'Not Found')
}

const forbidden = ({ kind }: Token, { needs, level }: Route): Refusal =>
  new Refusal(403, `Resource not accessible by ${kind === 'personal' ? 'personal access token' : 'integration'}`, {
    headers: { 'x-accepted-github-permissions': needs.map((permission) => `${permission}=${level}`).join('; ') },
  })

function requireToken(state: State, { authorization }: Request): Token {
  const token = validToken(state, /^(?:token|bearer) (\S+)$/i.exec(authorization)?.[1] ?? '')
  if (!token) throw new Refusal(401, 'Bad credentials')
  return token
}

/** Pull requests follow their branches; one whose branch is gone is closed. */
async function follow({ folder, pulls }: Repository): Promise<void> {
  const refs = await git(folder, ['for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads'])
  const heads = new Map(refs.split('\n').map((line) => line.split(' ') as [string, string]))
  for (const pull of pulls.filter(({ state }) => state === 'open')) {
    const sha = heads.get(pull.head)
    if (sha === undefined) pull.state = 'closed'
    else pull.sha = sha
  }
}

const headOf = (folder: string, branch: string): Promise<string | null> =>
  git(folder, ['rev-parse', '--verify', '--quiet', `refs/heads/${branch}`]).catch(() => null)

type AppRoute = (state: State, request: Request, parts: readonly string[]) => Promise<Answer>

/** Without these, a token holds all the installation has. */
const mintBody = z.object({
  repositories: z.array(z.string()).optional(),
  permissions: z.record(z.string(), z.string()).optional(),
})

/** As in a list; the number goes out as one, which `JSON.stringify` cannot write. */
const showDelivery = ({ id, guid, event, action, deliveredAt, redelivery, statusCode }: SentDelivery) => ({
  id,
  guid,
  delivered_at: deliveredAt.toISOString(),
  redelivery,
  duration: 0.27,
  status:
    statusCode === 0 ? 'failed to connect to host' : statusCode < 400 ? 'OK' : `Invalid HTTP Response: ${statusCode}`,
  status_code: statusCode,
  event,
  action,
  installation_id: 1,
  repository_id: 1,
  throttled_at: null,
})

const appRoutes: readonly (readonly [RegExp, AppRoute])[] = [
  [
    /^GET \/app\/hook\/deliveries$/,
    async (state, request) => {
      requireApp(state, request)
      const { url } = request
      const size = Math.min(100, Number(url.searchParams.get('per_page') ?? 30))
      const newestFirst = state.deliveries.toReversed()
      const cursor = url.searchParams.get('cursor')
      const from = cursor === null ? 0 : newestFirst.findIndex(({ id }) => `v1_${id}` === cursor)
      if (from < 0) throw new Refusal(422, 'Invalid cursor')
      const next = newestFirst[from + size]
      const link = new URL(url.pathname, 'https://api.github.test')
      link.search = `per_page=${size}&cursor=v1_${next?.id}`
      return {
        status: 200,
        body: newestFirst.slice(from, from + size).map(showDelivery),
        headers: next ? { link: `<${link.href}>; rel="next"` } : {},
      }
    },
  ],
  [
    /^GET \/app\/hook\/deliveries\/(\d+)$/,
    async (state, request, [id]) => {
      requireApp(state, request)
      const found = state.deliveries.find((each) => each.id === id)
      if (!found || found.payload === null) throw new Refusal(404, 'Not Found')
      const headers = { 'X-GitHub-Delivery': found.guid, 'X-GitHub-Event': found.event }
      const response = { headers: null, payload: null }
      const body = { ...showDelivery(found), url: '', request: { headers, payload: found.payload }, response }
      return { status: 200, body }
    },
  ],
  [
    /^GET \/app$/,
    async (state, request) => {
      const { slug } = requireApp(state, request)
      return { status: 200, body: { slug } }
    },
  ],
  [
    /^GET \/repos\/([^/]+)\/([^/]+)\/installation$/,
    async (state, request, [owner, name]) => {
      const { installations } = requireApp(state, request)
      const found = installations.find(({ repositories }) =>
        repositories.some((each) => sameName(each, `${owner}/${name}`)),
      )
      if (!found) throw new Refusal(404, 'Not Found')
      return { status: 200, body: { id: found.id, account: { login: found.account } } }
    },
  ],
  [
    /^POST \/app\/installations\/(\d+)\/access_tokens$/,
    async (state, request, [id]) => {
      const installation = requireApp(state, request).installations.find((each) => each.id === Number(id))
      if (!installation) throw new Refusal(404, 'Not Found')
      if (installation.isSuspended) throw new Refusal(403, 'This installation has been suspended')
      const { repositories: names, permissions = installation.permissions } = mintBody.parse(request.body)
      const isNamed = (each: string): boolean => names?.some((name) => sameName(each.split('/')[1] ?? '', name)) ?? true
      const repositories = installation.repositories.filter((each) => isNamed(each) || state.mintsTooMuch)
      if (
        names !== undefined &&
        !names.every((name) => repositories.some((each) => sameName(each.split('/')[1] ?? '', name)))
      )
        throw new Refusal(
          422,
          'There is at least one repository that does not exist or is not accessible to the parent installation.',
        )
      const minted = { permissions: installation.permissions, repositories: null }
      const isGranted = Object.entries(permissions).every(([name, level]) =>
        mayDo(
          { ...minted, token: '', kind: 'installation', expiresAt: 0, revoked: false },
          name,
          level === 'write' ? 'write' : 'read',
        ),
      )
      if (!isGranted) throw new Refusal(422, 'The permissions requested are not granted to this installation.')
      const token: Token = {
        token: `ghs_canary${randomBytes(16).toString('hex')}`,
        kind: 'installation',
        repositories,
        permissions: { ...permissions, metadata: 'read' },
        expiresAt: nowOf(state) + state.tokenLifeMs,
        revoked: false,
      }
      state.tokens.push(token)
      return {
        status: 201,
        body: {
          token: token.token,
          expires_at: `${new Date(token.expiresAt).toISOString().slice(0, 19)}Z`,
          permissions: token.permissions,
          ...(names === undefined ? {} : { repositories: repositories.map((full_name) => ({ full_name })) }),
        },
      }
    },
  ],
  [
    /^DELETE \/installation\/token$/,
    async (state, request) => {
      const token = requireToken(state, request)
      if (token.kind !== 'installation') throw new Refusal(403, 'Resource not accessible by personal access token')
      token.revoked = true
      return { status: 204, body: null }
    },
  ],
]

const claims = z.object({ iss: z.union([z.string(), z.number()]).transform(String), iat: z.number(), exp: z.number() })

/** The App's own signature, with the limits GitHub sets on its times. */
function requireApp(state: State, { authorization }: Request) {
  const jwt = /^bearer (\S+)$/i.exec(authorization)?.[1] ?? ''
  const [head = '', payload = '', signature = ''] = jwt.split('.')
  const { app } = state
  const isOurs =
    app !== null &&
    createVerify('RSA-SHA256').update(`${head}.${payload}`).verify(app.publicKey, Buffer.from(signature, 'base64url'))
  if (!isOurs) throw new Refusal(401, 'A JSON web token could not be decoded')
  const { iss, iat, exp } = claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  if (iss !== app.id) throw new Refusal(404, 'Integration not found')
  const now = nowOf(state) / 1_000
  if (exp < now || exp > now + 630)
    throw new Refusal(
      401,
      "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
    )
  if (iat > now + 1)
    throw new Refusal(
      401,
      "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
    )
  return app
}

const repo = '\\/repos\\/([^/]+)\\/([^/]+)'

const keyIn = (text: string | null | undefined): string | null => /quantapilot-key: (\w+)/.exec(text ?? '')?.[1] ?? null

const note = ({ state, repository, token }: Here, effect: string, key: string | null): void => {
  state.ledger.push({ effect, repository: repository.fullName, key, token: token.token })
}

const pullOf = (repository: Repository, number: string | undefined): Pull => {
  const found = repository.pulls.find((pull) => pull.number === Number(number))
  if (!found) throw new Refusal(404, 'Not Found')
  return found
}

const showPull = (repository: Repository, pull: Pull) => ({
  number: pull.number,
  html_url: `https://github.test/${repository.fullName}/pull/${pull.number}`,
  state: pull.state,
  title: pull.title,
  body: pull.body,
  merged: pull.merged,
  merge_commit_sha: pull.mergeCommit,
  head: { ref: pull.head, sha: pull.sha },
  base: { ref: pull.base },
  labels: pull.labels.map((name) => ({ name })),
})

const showIssue = (repository: Repository, issue: Issue) => ({
  number: issue.number,
  html_url: `https://github.test/${repository.fullName}/issues/${issue.number}`,
  state: issue.state,
  title: issue.title,
  body: issue.body,
  labels: issue.labels.map((name) => ({ name })),
})

/** GitHub's list of issues holds pull requests too. */
const showAsIssue = (repository: Repository, pull: Pull) => ({
  ...showIssue(repository, { ...pull, body: pull.body }),
  html_url: `https://github.test/${repository.fullName}/pull/${pull.number}`,
  pull_request: {},
})

const issuesOf = ({ issues }: Repository): Issue[] => {
  if (issues === null) throw new Refusal(410, 'Issues has been disabled in this repository.')
  return issues
}

const issueBody = z.object({
  title: z.string().default(''),
  body: z.string().default(''),
  labels: z.array(z.string()).default([]),
})

const pullBody = z.object({ title: z.string(), head: z.string(), base: z.string(), body: z.string().default('') })
const mergeBody = z.object({
  sha: z.string().optional(),
  merge_method: z.enum(['merge', 'squash', 'rebase']).default('merge'),
})
const checkBody = z.object({
  name: z.string(),
  head_sha: z.string().optional(),
  external_id: z.string().optional(),
  status: z.string(),
  conclusion: z.string().optional(),
  output: z.object({ summary: z.string() }),
})
const statusBody = z.object({
  context: z.string(),
  state: z.enum(['error', 'failure', 'pending', 'success']),
  description: z.string().max(140),
})

const showCheck = (check: CheckRun) => ({
  id: check.id,
  external_id: check.externalId,
  name: check.name,
  status: check.status,
  conclusion: check.conclusion,
})

const routes: readonly Route[] = [
  {
    on: new RegExp(`^GET ${repo}\\/pulls$`),
    needs: ['pull_requests'],
    level: 'read',
    answer: async ({ repository, request }) => {
      const { searchParams } = request.url
      const [owner, branch] = (searchParams.get('head') ?? '').split(/:(.*)/)
      const wanted = repository.pulls.filter(
        (pull) =>
          (searchParams.get('state') === 'all' || pull.state === 'open') &&
          (branch === undefined ||
            (sameName(owner ?? '', repository.fullName.split('/')[0] ?? '') && pull.head === branch)),
      )
      return { status: 200, body: wanted.map((pull) => showPull(repository, pull)) }
    },
  },
  {
    on: new RegExp(`^POST ${repo}\\/pulls$`),
    needs: ['pull_requests'],
    level: 'write',
    answer: async (here) => {
      const { repository, state } = here
      const { title, head, base, body } = pullBody.parse(here.request.body)
      const [sha, target] = await Promise.all([headOf(repository.folder, head), headOf(repository.folder, base)])
      if (sha === null || target === null)
        throw new Refusal(422, 'Validation Failed', {
          errors: [{ resource: 'PullRequest', field: sha ? 'base' : 'head', code: 'invalid' }],
        })
      const [owner] = repository.fullName.split('/')
      if (repository.pulls.some((pull) => pull.state === 'open' && pull.head === head && pull.base === base))
        throw new Refusal(422, 'Validation Failed', {
          errors: [{ message: `A pull request already exists for ${owner}:${head}.` }],
        })
      if (sha === target)
        throw new Refusal(422, 'Validation Failed', { errors: [{ message: `No commits between ${base} and ${head}` }] })
      const number = nextId(state)
      const pull: Pull = {
        number,
        title,
        body,
        head,
        base,
        sha,
        state: 'open',
        merged: false,
        mergeCommit: null,
        labels: [],
      }
      repository.pulls.push(pull)
      note(here, 'pull.create', keyIn(body))
      return { status: 201, body: showPull(repository, pull) }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/pulls\\/(\\d+)$`),
    needs: ['pull_requests'],
    level: 'read',
    answer: async ({ repository, parts }) => ({
      status: 200,
      body: showPull(repository, pullOf(repository, parts[0])),
    }),
  },
  {
    on: new RegExp(`^PATCH ${repo}\\/pulls\\/(\\d+)$`),
    needs: ['pull_requests'],
    level: 'write',
    answer: async (here) => {
      const pull = pullOf(here.repository, here.parts[0])
      pull.state = z.object({ state: z.literal('closed') }).parse(here.request.body).state
      note(here, 'pull.close', `${pull.number}`)
      return { status: 200, body: showPull(here.repository, pull) }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/collaborators\\/([^/]+)\\/permission$`),
    needs: ['metadata', 'contents'],
    level: 'read',
    answer: async ({ repository, parts }) => {
      const permission = repository.people[parts[0] ?? '']
      if (permission === undefined) throw new Refusal(404, 'Not Found')
      return { status: 200, body: { permission } }
    },
  },
  {
    on: new RegExp(`^DELETE ${repo}\\/issues\\/(\\d+)\\/labels\\/([^/]+)$`),
    needs: ['issues', 'pull_requests'],
    level: 'write',
    answer: async (here) => {
      const pull = pullOf(here.repository, here.parts[0])
      if (!pull.labels.includes(here.parts[1] ?? '')) throw new Refusal(404, 'Label does not exist')
      pull.labels = pull.labels.filter((name) => name !== here.parts[1])
      note(here, 'label.remove', `${pull.number}`)
      return { status: 200, body: pull.labels.map((name) => ({ name })) }
    },
  },
  {
    on: new RegExp(`^PUT ${repo}\\/pulls\\/(\\d+)\\/merge$`),
    needs: ['contents'],
    level: 'write',
    answer: (here) => mergePull(here),
  },
  {
    on: new RegExp(`^GET ${repo}\\/issues$`),
    needs: ['issues'],
    level: 'read',
    answer: async ({ repository, request }) => {
      const { searchParams } = request.url
      const page = Number(searchParams.get('page') ?? 1)
      const size = Math.min(100, Number(searchParams.get('per_page') ?? 30))
      const isWanted = ({ state }: { readonly state: string }): boolean =>
        searchParams.get('state') === 'all' || state === (searchParams.get('state') ?? 'open')
      const all = [
        ...issuesOf(repository).map((issue) => showIssue(repository, issue)),
        ...repository.pulls.map((pull) => showAsIssue(repository, pull)),
      ].filter(isWanted)
      const isAscending = searchParams.get('direction') === 'asc'
      const sorted = all.toSorted((one, other) => (isAscending ? 1 : -1) * (one.number - other.number))
      return { status: 200, body: sorted.slice((page - 1) * size, page * size) }
    },
  },
  {
    on: new RegExp(`^POST ${repo}\\/issues$`),
    needs: ['issues'],
    level: 'write',
    answer: async (here) => {
      const issues = issuesOf(here.repository)
      const { title, body, labels } = issueBody.parse(here.request.body)
      if (title.trim() === '')
        throw new Refusal(422, 'Validation Failed', {
          errors: [{ resource: 'Issue', code: 'missing_field', field: 'title' }],
        })
      for (const [field, text, most] of [
        ['title', title, 256],
        ['body', body, 65_536],
      ] as const)
        if (text.length > most)
          throw new Refusal(422, 'Validation Failed', {
            errors: [
              {
                resource: 'Issue',
                code: 'custom',
                field,
                message: `${field} is too long (maximum is ${most} characters)`,
              },
            ],
          })
      const issue: Issue = { number: nextId(here.state), title, body, labels, state: 'open' }
      issues.push(issue)
      note(here, 'issue.create', keyIn(body))
      return { status: 201, body: showIssue(here.repository, issue) }
    },
  },
  {
    on: new RegExp(`^POST ${repo}\\/issues\\/(\\d+)\\/labels$`),
    needs: ['issues', 'pull_requests'],
    level: 'write',
    answer: async (here) => {
      const pull = pullOf(here.repository, here.parts[0])
      const { labels } = z.object({ labels: z.array(z.string()) }).parse(here.request.body)
      pull.labels = [...new Set([...pull.labels, ...labels])]
      return { status: 200, body: pull.labels.map((name) => ({ name })) }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/issues\\/(\\d+)\\/comments$`),
    needs: ['issues', 'pull_requests'],
    level: 'read',
    answer: async ({ repository, parts, request }) => {
      const page = Number(request.url.searchParams.get('page') ?? 1)
      const size = Number(request.url.searchParams.get('per_page') ?? 30)
      const all = repository.comments.filter(({ number }) => number === Number(parts[0]))
      return { status: 200, body: all.slice((page - 1) * size, page * size).map(({ id, body }) => ({ id, body })) }
    },
  },
  {
    on: new RegExp(`^POST ${repo}\\/issues\\/(\\d+)\\/comments$`),
    needs: ['issues', 'pull_requests'],
    level: 'write',
    answer: async (here) => {
      const { body } = z.object({ body: z.string() }).parse(here.request.body)
      const comment = { id: nextId(here.state), number: pullOf(here.repository, here.parts[0]).number, body, edits: 0 }
      here.repository.comments.push(comment)
      note(here, 'comment.create', keyIn(body))
      return { status: 201, body: { id: comment.id, body } }
    },
  },
  {
    on: new RegExp(`^PATCH ${repo}\\/issues\\/comments\\/(\\d+)$`),
    needs: ['issues', 'pull_requests'],
    level: 'write',
    answer: async (here) => {
      const found = here.repository.comments.find(({ id }) => id === Number(here.parts[0]))
      if (!found) throw new Refusal(404, 'Not Found')
      found.body = z.object({ body: z.string() }).parse(here.request.body).body
      found.edits++
      return { status: 200, body: { id: found.id, body: found.body } }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/commits\\/([^/]+)\\/check-runs$`),
    needs: ['checks'],
    level: 'read',
    answer: async ({ repository, parts, request }) => {
      const name = request.url.searchParams.get('check_name')
      const found = repository.checkRuns.filter(
        (check) => check.sha === parts[0] && (name === null || check.name === name),
      )
      return { status: 200, body: { total_count: found.length, check_runs: found.map(showCheck) } }
    },
  },
  {
    on: new RegExp(`^(?:POST|PATCH) ${repo}\\/check-runs(?:\\/\\d+)?$`),
    needs: ['checks'],
    level: 'write',
    answer: (here) => writeCheck(here),
  },
  {
    on: new RegExp(`^GET ${repo}\\/commits\\/([^/]+)\\/statuses$`),
    needs: ['statuses'],
    level: 'read',
    answer: async ({ repository, parts }) => ({
      status: 200,
      body: repository.statuses.filter(({ sha }) => sha === parts[0]),
    }),
  },
  {
    on: new RegExp(`^POST ${repo}\\/statuses\\/([^/]+)$`),
    needs: ['statuses'],
    level: 'write',
    answer: async (here) => {
      const status = { sha: here.parts[0] ?? '', ...statusBody.parse(here.request.body) }
      here.repository.statuses.unshift(status)
      note(here, 'status.create', `${status.sha}:${status.context}`)
      return { status: 201, body: status }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/branches\\/([^/]+)$`),
    needs: ['contents'],
    level: 'read',
    answer: async ({ repository, parts }) => {
      const sha = await headOf(repository.folder, parts[0] ?? '')
      if (sha === null) throw new Refusal(404, 'Branch not found')
      const contexts = parts[0] === 'main' ? repository.requiredChecks : []
      return {
        status: 200,
        body: {
          name: parts[0],
          commit: { sha },
          protected: contexts.length > 0,
          protection: { required_status_checks: { contexts } },
        },
      }
    },
  },
  {
    on: new RegExp(`^GET ${repo}\\/rules\\/branches\\/([^/]+)$`),
    needs: ['metadata', 'contents'],
    level: 'read',
    answer: async ({ repository, parts }) => {
      const count = parts[0] === 'main' ? repository.requiredApprovals : null
      const rule = { type: 'pull_request', parameters: { required_approving_review_count: count } }
      return { status: 200, body: count === null ? [] : [rule] }
    },
  },
]

async function writeCheck(here: Here): Promise<Answer> {
  const { repository, token, state } = here
  if (token.kind === 'personal') throw new Refusal(403, 'You must authenticate via a GitHub App.')
  const body = checkBody.parse(here.request.body)
  const shown = { status: body.status, conclusion: body.conclusion ?? null, summary: body.output.summary }
  const id = Number(here.request.url.pathname.split('/').at(-1))
  const found = repository.checkRuns.find((check) => check.id === id)
  if (found) {
    Object.assign(found, shown)
    return { status: 200, body: showCheck(found) }
  }
  const check = {
    id: nextId(state),
    name: body.name,
    sha: body.head_sha ?? '',
    externalId: body.external_id ?? null,
    ...shown,
  }
  repository.checkRuns.push(check)
  note(here, 'check.create', check.externalId)
  return { status: 201, body: showCheck(check) }
}

async function mergePull(here: Here): Promise<Answer> {
  const { repository, request } = here
  const pull = pullOf(repository, here.parts[0])
  const { sha, merge_method: method } = mergeBody.parse(request.body ?? {})
  if (pull.state !== 'open') throw new Refusal(405, 'Pull Request is not mergeable')
  if (sha !== undefined && sha !== pull.sha)
    throw new Refusal(409, 'Head branch was modified. Review and try the merge again.')
  const { folder } = repository
  const base = await git(folder, ['rev-parse', `refs/heads/${pull.base}`])
  const tree = await git(folder, ['merge-tree', '--write-tree', base, pull.sha]).catch(() => {
    throw new Refusal(405, 'Pull Request is not mergeable')
  })
  const parents = method === 'merge' ? ['-p', base, '-p', pull.sha] : ['-p', base]
  const commit = await git(folder, ['commit-tree', tree, ...parents, '-m', pull.title])
  await git(folder, ['update-ref', `refs/heads/${pull.base}`, commit, base])
  Object.assign(pull, { state: 'closed', merged: true, mergeCommit: commit })
  note(here, 'pull.merge', `${pull.number}`)
  return { status: 200, body: { sha: commit, merged: true } }
}
