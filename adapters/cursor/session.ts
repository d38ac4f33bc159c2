import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import { type CursorSettings, nameOf } from './environment.ts'

/** What the command line trades its key at; the only call that carries it. */
export const exchangePath = '/auth/exchange_user_api_key'

const traded = z.object({ accessToken: z.string().regex(/^[\x21-\x7e]+$/) })

/** The token of a session with Cursor, traded for the key outside the sandbox and made anew when it is not taken any more. */
export type Session = {
  /** Throws PRECONDITION_FAILED where the key is not taken, and TRANSIENT_NETWORK where there is none for now. */
  token(signal: AbortSignal): Promise<string>
  /** Forgets this token, so that the next call has another. */
  drop(token: string): void
}

export function openSession({ apiKey, baseUrl }: Pick<CursorSettings, 'apiKey' | 'baseUrl'>): Session {
  let held: string | null = null
  return {
    token: async (signal) => {
      held ??= await trade(apiKey, baseUrl, signal)
      return held
    },
    drop: (token) => {
      if (held === token) held = null
    },
  }
}

/** Each failure is a Fault, by which whoever has a turn to ask for knows that it was never sent. */
async function trade(apiKey: string, baseUrl: string, signal: AbortSignal): Promise<string> {
  try {
    const answer = await fetch(`${baseUrl}${exchangePath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: '{}',
      signal,
      redirect: 'error',
    })
    if (answer.ok) return traded.parse(await answer.json()).accessToken
    await answer.body?.cancel()
    if (answer.status === 401 || answer.status === 403) throw keyRefused()
    throw new Error(`the exchange answered ${answer.status}`)
  } catch (error) {
    throw error instanceof Fault ? error : noSession(error)
  }
}

/** Whether Cursor takes the key: a question that costs nothing. Never throws. */
export async function probeCursor(settings: CursorSettings, signal: AbortSignal): Promise<Probed> {
  const name = nameOf(settings)
  try {
    await openSession(settings).token(signal)
    return { status: 'pass', message: `${name}: Cursor takes the key` }
  } catch (error) {
    return error instanceof Fault && !error.retryable
      ? { status: 'fail', message: 'Cursor does not accept its key: correct CURSOR_API_KEY' }
      : { status: 'warn', message: `${name} cannot be reached now` }
  }
}

type Probed = { readonly status: 'pass' | 'warn' | 'fail'; readonly message: string }

const noSession = (cause: unknown): Fault =>
  new Fault({ code: 'TRANSIENT_NETWORK', message: 'Cursor gave no session.', retryable: true, isUnsent: true, cause })

/** For whoever runs the server. */
export const keyRefused = (): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: 'Cursor does not accept its key: correct CURSOR_API_KEY and restart.',
    retryable: false,
  })

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Stands where the agent keeps a session: it has the form of one, and is worth nothing anywhere. */
export function dummySession(nowMs: number): string {
  const exp = Math.floor(nowMs / 1_000) + 86_400
  const token = `${part({ alg: 'none', typ: 'JWT' })}.${part({ sub: 'the-meter-holds-the-session', exp })}.none`
  return JSON.stringify({ accessToken: token, refreshToken: token })
}
