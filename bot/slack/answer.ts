import { setTimeout as delay } from 'node:timers/promises'
import type { Reply } from '../../core/commands/command.ts'
import { Fault, type Refusal } from '../../core/model/problem.ts'
import { diffLines } from '../diff.ts'
import { sayRefusal, sayReply } from '../phrase.ts'
import type { Api } from './api.ts'
import { post } from './api.ts'
import { plain } from './blocks.ts'
import type { Log } from './logger.ts'
import { harmless, pieces } from './text.ts'

/** What a person is told: a text for their eyes only, and what is too long for it. */
export type Answer = {
  /** Empty: there is nothing to say. */
  readonly lines: readonly string[]
  readonly file: { readonly name: string; readonly text: string } | null
  /** True of a refusal or a failure. */
  readonly isNo: boolean
}

export const answerOf = (lines: readonly string[]): Answer => ({ lines, file: null, isNo: false })

export const answerRefusal = (refusal: Refusal): Answer => ({ lines: sayRefusal(refusal), file: null, isNo: true })

/** A failure of ours: what it was is for the operator's log. */
export const answerFault = (): Answer => ({
  lines: ['✗ That did not go through; the operator has been told.', '  Look with /qp status, then try again.'],
  file: null,
  isNo: true,
})

const answerFile = (line: string, name: string, text: string): Answer => ({
  lines: [line, '  The text is in your messages with this app.'],
  file: { name: (name.split('/').at(-1) ?? name).slice(0, 100) || 'answer.txt', text: text === '' ? '(empty)' : text },
  isNo: false,
})

/** Files, differences and long lists go as a file, which only that person gets. */
export function answerReply(reply: Reply): Answer {
  if (reply.kind === 'file')
    return answerFile(`✓ ${reply.name} · sha ${reply.sha256.slice(0, 12)}`, reply.name, reply.text)
  if (reply.kind === 'diff') {
    const text = reply.files.flatMap((file) => [`== ${file.name}`, ...diffLines(file.before, file.after)]).join('\n')
    return answerFile(`✓ What changed in run ${reply.handle}`, `${reply.handle}.diff`, text)
  }
  const lines = sayReply(reply)
  const text = lines.join('\n')
  if (harmless(text).length <= longest) return answerOf(lines)
  return answerFile(`✓ ${lines.length} lines, beginning with: ${lines[0] ?? ''}`, `${reply.kind}.txt`, text)
}

/** What fits into a message that is read on a phone. */
const longest = 2_500

/** Whom an answer is for, and the ways to reach them. */
export type Asker = { readonly user: string; readonly channel: string | null; readonly responseUrl: string | null }

/** Brings a long text to a person: as a file in their messages with the app, else in pieces there. */
export async function bring(api: Api, user: string, file: { name: string; text: string }, log: Log): Promise<void> {
  try {
    await api.upload(await api.directWith(user), file)
  } catch (error) {
    log('warn', 'a file went to Slack in pieces', { error: error instanceof Fault ? error.message : 'failed' })
    for (const piece of pieces(file.text.split('\n').map(harmless), 2_900)) {
      await patiently(() =>
        api.tell('chat.postMessage', { channel: user, text: `\`\`\`${piece}\`\`\``, unfurl_links: false }),
      )
    }
  }
}

/** Goes on when Slack says so: a text of many pieces outruns one message a second. */
async function patiently(send: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await send()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'RATE_LIMIT') throw error
      await delay(Math.min(error.retryAfterMs ?? 1_000, 60_000))
    }
  }
}

/** Tells a person something that nobody else sees. Throws a Fault where neither way leads to them. */
export async function whisper(
  api: Api,
  { user, channel, responseUrl }: Asker,
  lines: readonly string[],
): Promise<void> {
  const text = plain(lines)
  if (responseUrl !== null) {
    const body = JSON.stringify({ response_type: 'ephemeral', replace_original: false, text })
    if (await post(responseUrl, 'application/json', body)) return
  }
  await api.tell('chat.postEphemeral', { channel: channel ?? user, user, text })
}
