import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, Server as PlainServer, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../core/model/problem.ts'
import { runProcess } from '../process/run.ts'
import type { GitSourceControlOptions } from './tools.ts'

/** What the tests' own git runs with; the product's is stricter. */
const path = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin'
const environment = {
  PATH: path,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Olivia',
  GIT_AUTHOR_EMAIL: 'olivia@example.test',
  GIT_AUTHOR_DATE: '@1700000000 +0100',
  GIT_COMMITTER_NAME: 'Olivia',
  GIT_COMMITTER_EMAIL: 'olivia@example.test',
  GIT_COMMITTER_DATE: '@1700000000 +0100',
}

/** Runs the tests' git in a folder and returns what it wrote, trimmed. */
export async function git(cwd: string, args: readonly string[], stdin?: string): Promise<string> {
  const result = await runProcess({
    command: 'git',
    args: ['-c', 'safe.directory=*', '-c', 'init.defaultBranch=main', ...args],
    cwd,
    env: environment,
    timeoutMs: 20_000,
    maxOutputBytes: 10_000_000,
    ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
  })
  if (result.exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`)
  return result.stdout.toString('utf8').trim()
}

/** A folder of one test, and what to call when it ends. */
export type Room = { readonly path: string; readonly leave: () => Promise<void> }

export async function enterRoom(): Promise<Room> {
  const room = await mkdtemp(join(tmpdir(), 'git-test-'))
  return { path: room, leave: () => rm(room, { recursive: true, force: true }) }
}

/** Settings that reach folders and nothing else. */
export const optionsIn = (room: string): GitSourceControlOptions => ({
  stateDir: join(room, 'state'),
  allowedSchemes: ['https', 'ssh', 'file'],
  allowFolders: true,
  allowedHosts: null,
  env: { PATH: path },
  gitTimeoutMs: 20_000,
})

/** A repository with README.md, docs/notes.md and run.sh on `main` (two commits) and a branch `dev`. */
export async function makeRepository(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await git(folder, ['init', '-q'])
  await git(folder, ['fast-import', '--quiet'], seed)
  await git(folder, ['reset', '-q', '--hard'])
  await git(folder, ['branch', 'dev', 'main~1'])
  return folder
}

const seed = `commit refs/heads/main
committer Olivia <olivia@example.test> 1699990000 +0100
data 5
first
M 100644 inline README.md
data 7
# Shop

commit refs/heads/main
committer Olivia <olivia@example.test> 1700000000 +0100
data 6
second
M 100644 inline README.md
data 16
# Shop\r
\r
Sells.
M 100644 inline docs/notes.md
data 6
notes

M 100755 inline run.sh
data 10
#!/bin/sh

`

/** Adds files to a branch without a work tree; a mode other than 100644 may be given before the path, with a space. */
export async function addCommit(
  folder: string,
  branch: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const from = `from refs/heads/${branch}^0\n`
  const lines = Object.entries(files).map(([name, text]) => {
    const [mode, file] = name.includes(' ') ? name.split(' ') : ['100644', name]
    if (mode === '160000') return `M 160000 ${text} ${file}\n`
    return `M ${mode} inline ${file}\ndata ${Buffer.byteLength(text)}\n${text}\n`
  })
  const head = `commit refs/heads/${branch}\ncommitter Olivia <o@example.test> 1700000100 +0000\ndata 4\nmore\n`
  await git(folder, ['fast-import', '--quiet', '--force'], head + from + lines.join(''))
  return await git(folder, ['rev-parse', `refs/heads/${branch}`])
}

/** What a call failed with; throws when it did not fail with a `Fault`. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const outcome: unknown = await promise.catch((error: unknown) => error)
  if (outcome instanceof Fault) return outcome
  throw new Error(`not a fault: ${outcome instanceof Error ? outcome.stack : JSON.stringify(outcome)}`)
}

/** An https git host on 127.0.0.1 that serves the bare repositories below `root` to whom it lets in. */
export type GitHost = {
  readonly url: string
  readonly caFile: string
  /** Requests so far, as `GET /shop.git/info/refs`. */
  readonly requests: readonly string[]
  readonly close: () => Promise<void>
}

export const visitor = { username: 'x-access-token', password: 'canary-token-71f2' }

/** What somebody wants of a repository (`/shop.git`), and the name and password they gave. */
export type GitVisit = {
  readonly repository: string
  readonly write: boolean
  readonly username: string
  readonly password: string
}

/** Who may come in, as an HTTP status: 200, or 401, 403, 404. */
export type Doorman = (visit: GitVisit) => number

const knowsOne: Doorman = ({ username, password }) =>
  username === visitor.username && password === visitor.password ? 200 : 401

export type Door = {
  readonly doorman: Doorman
  /** Answers what is asked below `/api/`, where the host has more than git. */
  readonly api?: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/** Starts `git http-backend` behind TLS with a certificate of its own, and Basic authentication. */
export async function startGitHost(root: string, door: Door = { doorman: knowsOne }): Promise<GitHost> {
  identity ??= makeCertificate(root)
  const tls = await identity
  const caFile = join(root, 'ca.pem')
  await writeFile(caFile, tls.cert)
  const requests: string[] = []
  const server = createServer(tls, (request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`)
    const isApi = door.api !== undefined && request.url?.startsWith('/api/') === true
    const answered = isApi ? door.api(request, response) : answer({ root, ...door }, request, response)
    answered.catch((error: unknown) => response.destroy(new Error('backend', { cause: error })))
  })
  const port = await listen(server)
  return { url: `https://localhost:${port}`, caFile, requests, close: () => stop(server) }
}

type Certificate = { readonly key: Buffer; readonly cert: Buffer }

/** One for all hosts of a test file: making it takes longer than most tests. */
let identity: Promise<Certificate> | null = null

async function makeCertificate(cwd: string): Promise<Certificate> {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const args = ['req', ...kind, '-keyout', 'key.pem', '-out', 'cert.pem', ...subject]
  const limits = { env: { PATH: path }, timeoutMs: 20_000, maxOutputBytes: 100_000 }
  const result = await runProcess({ command: 'openssl', args, cwd, ...limits })
  if (result.exitCode !== 0) throw new Error(result.stderr)
  return { key: await readFile(join(cwd, 'key.pem')), cert: await readFile(join(cwd, 'cert.pem')) }
}

export const listen = (server: Server | PlainServer): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    }),
  )

export const stop = (server: Server | PlainServer): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })

/** Of `GET /shop.git/info/refs?service=git-upload-pack` and the like. */
function visitOf(request: IncomingMessage, url: URL): GitVisit {
  const basic = /^Basic (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const [username = '', password = ''] = Buffer.from(basic, 'base64').toString().split(':')
  const [, repository = '', rest = ''] = /^(.*?)\/(info\/refs|git-[a-z]+-pack)$/.exec(url.pathname) ?? []
  const write = rest === 'git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack'
  return { repository, write, username, password }
}

type Entrance = { readonly root: string; readonly doorman: Doorman }

async function answer({ root, doorman }: Entrance, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://localhost')
  if (url.pathname.startsWith('/moved'))
    return void response.writeHead(302, { location: `/shop.git/info/refs${url.search}` }).end()
  if (url.pathname.startsWith('/broken')) return void response.writeHead(503).end()
  const status = doorman(visitOf(request, url))
  if (status !== 200) return void response.writeHead(status, { 'www-authenticate': 'Basic realm="git"' }).end()
  const body = await bytesOf(request)
  const { stdout } = await runProcess({
    command: 'git',
    args: ['http-backend'],
    cwd: root,
    env: { ...environment, ...backendEnvironment(root, request, url) },
    stdin: body,
    timeoutMs: 20_000,
    maxOutputBytes: 100_000_000,
  })
  reply(response, stdout)
}

export const bytesOf = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(Buffer.concat(chunks))).on('error', reject)
  })

function backendEnvironment(root: string, request: IncomingMessage, url: URL): Readonly<Record<string, string>> {
  return {
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    REMOTE_USER: visitor.username,
    REQUEST_METHOD: request.method ?? 'GET',
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: request.headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
  }
}

function reply(response: ServerResponse, output: Buffer): void {
  const end = output.indexOf('\r\n\r\n')
  const headers = output.subarray(0, end).toString('utf8').split('\r\n')
  for (const header of headers) {
    const [name = '', value = ''] = header.split(/:\s*/, 2)
    if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10)
    else response.setHeader(name, value)
  }
  response.end(output.subarray(end + 4))
}
