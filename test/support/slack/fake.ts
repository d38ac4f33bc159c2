import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { refuseBlocks } from './limits.ts'
import { openRotation, type Rotation } from './rotation.ts'
import { type Sockets, openSockets } from './sockets.ts'

type Arguments = { readonly [key: string]: unknown }

/** Something the outside world could see, in the order in which it happened. */
export type Effect = { readonly method: string; readonly args: Arguments; readonly ts: string }

export type Message = { readonly text: string; readonly blocks: readonly unknown[]; readonly thread: string | null }

/** How a call is made to fail: before or after its effect, or with a word of Slack's. */
export type Trouble = 'drop' | 'reset' | '500' | { readonly error: string } | { readonly retryAfter: number }

export type FakeSlack = {
  readonly url: string
  readonly apiRoot: string
  readonly effects: Effect[]
  /** Every call, whatever came of it. */
  readonly calls: string[]
  /** By channel and ts: as they look now. */
  readonly messages: Map<string, Message>
  /** What the app's users see of `response_url`. */
  readonly whispers: Arguments[]
  readonly files: { readonly name: string; readonly text: string; readonly channel: string }[]
  readonly people: Map<string, Arguments>
  readonly channels: Map<string, { readonly isArchived: boolean; readonly hasApp: boolean }>
  readonly sockets: Sockets
  /** Tokens that Slack knows; take one out to revoke it. */
  readonly tokens: Set<string>
  /** Tokens that end, and what makes new ones. */
  readonly rotation: Rotation
  /** About one message a second for each channel, as Slack has it. */
  isPaced: boolean
  /** What the world does between the effect of a call and its answer. */
  afterEffect: (method: string, args: Arguments) => Promise<void>
  trouble(method: string, trouble: Trouble, times?: number): void
  /** An address that takes five answers, as a slash command or a press carries it. */
  responseUrl(): string
}

export const botToken = 'xoxb-canary-bot-71c'
export const appToken = 'xapp-canary-app-52e'

/**
 * Slack's Web API as far as the app uses it, and its sockets. Ours and not the public emulator's: that one lets every
 * token in as an admin, knows no guests, other workspaces, response_url, sockets, limits or rates, and makes its own
 * ids, so all that these tests are about would have to stand in front of it.
 */
export async function startFakeSlack(): Promise<FakeSlack> {
  const troubles = new Map<string, Trouble[]>()
  const server = createServer((request, response) => void serve(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sockets = openSockets(server)
  const uses = new Map<string, number>()
  let clock = 1_700_000_000
  const fake: FakeSlack = {
    url,
    apiRoot: `${url}/api/`,
    effects: [],
    calls: [],
    messages: new Map(),
    whispers: [],
    files: [],
    people: new Map(),
    channels: new Map([
      ['C01', { isArchived: false, hasApp: true }],
      ['D09', { isArchived: false, hasApp: true }],
    ]),
    sockets,
    tokens: new Set([botToken, appToken]),
    rotation: openRotation(),
    isPaced: false,
    afterEffect: () => Promise.resolve(),
    trouble: (method, trouble, times = 1) =>
      void troubles.set(
        method,
        Array.from({ length: times }, () => trouble),
      ),
    responseUrl: () => {
      const path = `/respond/${uses.size}`
      uses.set(path, 0)
      return url + path
    },
  }
  fake.people.set('U01', person('U01', 'Ada'))
  const lastSent = new Map<string, number>()
  const uploads = new Map<string, { name: string; text: string }>()
  onTestFinished(async () => {
    sockets.close()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const raw = Buffer.concat(chunks).toString('utf8')
    const path = request.url ?? '/'
    if (path.startsWith('/respond/')) return respond(path, raw, response)
    if (path.startsWith('/upload/')) return upload(path, raw, response)
    const method = path.replace(/^\/api\//, '')
    fake.calls.push(method)
    const trouble = troubles.get(method)?.shift()
    if (trouble === 'reset') return void request.socket.destroy()
    if (trouble === '500') return answer(response, 500, { ok: false })
    if (typeof trouble === 'object' && 'retryAfter' in trouble) return slower(response, trouble.retryAfter)
    if (typeof trouble === 'object') return answer(response, 200, { ok: false, error: trouble.error })
    if (method === 'oauth.v2.access') {
      const result = fake.rotation.access(Object.fromEntries(new URLSearchParams(raw)))
      await fake.afterEffect(method, {})
      if (trouble === 'drop') return void request.socket.destroy()
      return answer(response, 200, typeof result === 'string' ? { ok: false, error: result } : { ok: true, ...result })
    }
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
    const no = fake.tokens.has(token) ? null : fake.rotation.refuse(token)
    if (no !== null) return answer(response, 200, { ok: false, error: no })
    const args = argumentsOf(raw, request.headers['content-type'] ?? '')
    if (isTooSoon(method, args)) return slower(response, 1)
    const result = perform(method, args)
    await fake.afterEffect(method, args)
    if (trouble === 'drop') return void request.socket.destroy()
    return answer(response, 200, typeof result === 'string' ? { ok: false, error: result } : { ok: true, ...result })
  }

  function isTooSoon(method: string, args: Arguments): boolean {
    if (!fake.isPaced || method !== 'chat.postMessage') return false
    const channel = String(args['channel'])
    const now = performance.now()
    if (now - (lastSent.get(channel) ?? Number.NEGATIVE_INFINITY) < 1_000) return true
    lastSent.set(channel, now)
    return false
  }

  function effect(method: string, args: Arguments): string {
    const ts = `${++clock}.000100`
    fake.effects.push({ method, args, ts })
    return ts
  }

  function perform(method: string, args: Arguments): Arguments | string {
    switch (method) {
      case 'auth.test':
        return { team_id: 'T01', user_id: 'UBOT', bot_id: 'B01' }
      case 'apps.connections.open':
        return { url: sockets.urlFor(url) }
      case 'users.info': {
        const user = fake.people.get(String(args['user']))
        return user === undefined ? 'user_not_found' : { user }
      }
      case 'chat.postMessage':
      case 'chat.postEphemeral':
        return say(method, args)
      case 'chat.update':
        return update(args)
      case 'conversations.open':
        return { channel: { id: `D${String(args['users'])}` } }
      case 'files.getUploadURLExternal': {
        const id = `F${uploads.size}`
        uploads.set(id, { name: String(args['filename']), text: '' })
        return { upload_url: `${url}/upload/${id}`, file_id: id }
      }
      case 'files.completeUploadExternal':
        return complete(args)
      case 'views.open':
      case 'views.update':
      case 'views.publish':
        return view(method, args)
      default:
        return 'unknown_method'
    }
  }

  function closed(channel: string): string | null {
    if (/^[UW]/.test(channel)) return fake.people.has(channel) ? null : 'channel_not_found'
    const known = fake.channels.get(channel)
    if (!known) return channel.startsWith('DU') ? null : 'channel_not_found'
    if (known.isArchived) return 'is_archived'
    return known.hasApp ? null : 'not_in_channel'
  }

  function say(method: string, args: Arguments): Arguments | string {
    const channel = String(args['channel'])
    const no = closed(channel) ?? refuse(args)
    if (no !== null) return no
    const ts = effect(method, args)
    if (method === 'chat.postEphemeral') return { message_ts: ts }
    fake.messages.set(`${channel}/${ts}`, looks(args, (args['thread_ts'] as string | undefined) ?? null))
    return { channel, ts, message: { text: args['text'] } }
  }

  function update(args: Arguments): Arguments | string {
    const key = `${String(args['channel'])}/${String(args['ts'])}`
    const old = fake.messages.get(key)
    const no = closed(String(args['channel'])) ?? (old ? refuse(args) : 'message_not_found')
    if (no !== null || !old) return no ?? 'message_not_found'
    effect('chat.update', args)
    fake.messages.set(key, looks(args, old.thread))
    return { channel: args['channel'], ts: args['ts'], text: args['text'] }
  }

  function complete(args: Arguments): Arguments | string {
    const channel = String(args['channel_id'])
    const no = closed(channel)
    if (no !== null) return no
    for (const { id } of args['files'] as { id: string }[]) {
      const file = uploads.get(id)
      if (!file) return 'file_not_found'
      fake.files.push({ ...file, channel })
    }
    effect('files.completeUploadExternal', args)
    return { files: args['files'] }
  }

  function view(method: string, args: Arguments): Arguments | string {
    const given = args['view'] as Arguments
    if (refuseBlocks(given['blocks']) !== null) return 'invalid_arguments'
    if (words(given['private_metadata']).length > 3_000) return 'invalid_arguments'
    const ts = effect(method, args)
    return { view: { id: `V${ts}`, ...given } }
  }

  function respond(path: string, raw: string, response: ServerResponse): void {
    const used = uses.get(path)
    const trouble = troubles.get('response_url')?.shift()
    if (used === undefined || used >= 5 || trouble !== undefined)
      return answer(response, 404, { ok: false, error: 'used_url' })
    uses.set(path, used + 1)
    const args = JSON.parse(raw) as Arguments
    fake.whispers.push(args)
    effect('response_url', args)
    return answer(response, 200, { ok: true })
  }

  function upload(path: string, raw: string, response: ServerResponse): void {
    const file = uploads.get(path.replace('/upload/', ''))
    if (file) file.text = raw
    return answer(response, file ? 200 : 404, {})
  }

  return fake
}

/** A person as users.info describes them; `more` makes them a guest, a bot or a stranger. */
export const person = (id: string, name: string, more: Arguments = {}): Arguments => ({
  id,
  team_id: 'T01',
  name: name.toLowerCase(),
  real_name: name,
  deleted: false,
  is_bot: false,
  is_restricted: false,
  is_ultra_restricted: false,
  profile: { display_name: name },
  ...more,
})

const words = (value: unknown): string => (typeof value === 'string' ? value : '')

const refuse = (args: Arguments): string | null => {
  const text = words(args['text'])
  const blocks = args['blocks'] as readonly unknown[] | undefined
  if (text === '' && (blocks ?? []).length === 0) return 'no_text'
  return text.length > 40_000 ? 'msg_too_long' : refuseBlocks(blocks)
}

const looks = (args: Arguments, thread: string | null): Message => ({
  text: words(args['text']),
  blocks: (args['blocks'] as readonly unknown[] | undefined) ?? [],
  thread,
})

/** The client sends forms in which what is not a string is JSON. */
function argumentsOf(raw: string, type: string): Arguments {
  if (type.startsWith('application/json')) return JSON.parse(raw === '' ? '{}' : raw) as Arguments
  return Object.fromEntries(
    [...new URLSearchParams(raw)].map(([key, value]) => [
      key,
      key !== 'text' && /^[[{]|^(true|false)$/.test(value) ? JSON.parse(value) : value,
    ]),
  )
}

function answer(response: ServerResponse, status: number, body: Arguments): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function slower(response: ServerResponse, seconds: number): void {
  response.writeHead(429, { 'retry-after': String(seconds) }).end(JSON.stringify({ ok: false, error: 'ratelimited' }))
}
