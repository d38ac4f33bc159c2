import type { InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity } from 'grammy/types'
import type { Reply } from '../../core/commands/command.ts'
import { numberOf } from '../../core/model/handle.ts'
import { assert } from '../../core/model/problem.ts'
import { sayReply } from '../phrase.ts'
import type { Button, Post } from '../surface.ts'

/** https://core.telegram.org/bots/api: lengths in UTF-16 units, button data in bytes. */
export const limits = { text: 4096, caption: 1024, alert: 200, buttonBytes: 64, buttons: 8 } as const

/** What a button of ours does before, or instead of, what it stands for. */
export const marks = { ask: '?', sure: '!', leave: '×' } as const

/** A message's text and how it is set: nothing in it needs escaping. */
export type Drawing = { readonly text: string; readonly entities: MessageEntity[] }

export type Document = { readonly name: string; readonly caption: string; readonly text: string }

/**
 * Text of anybody that says the same and rings nobody: Telegram makes a mention of every `@name` by itself, and its
 * clients obey what turns the direction of writing.
 */
export const harmless = (text: string): string =>
  text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- what a terminal would obey has no place in a message
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, '')
    .replaceAll(/(?<!\w)@(?=\w)/g, '@\u2060')

/** The lines, cut to what one message holds: the first in bold; run handles, digests and commands to copy as code. */
export function drawLines(lines: readonly string[]): Drawing {
  const text = cut(harmless(lines.join('\n')).trim() || '…', limits.text)
  const title = text.split('\n', 1)[0] ?? ''
  const entities: MessageEntity[] = [{ type: 'bold', offset: 0, length: title.trimEnd().length }]
  for (const match of text.matchAll(/\b[Rr]un (r\w{3,8})\b|\bsha ([0-9a-f]{12,64})\b|Did you mean (\/[^\n]+)\?/g)) {
    const [whole, handle, sha, command] = match
    if (match.index < title.length || (handle && numberOf(handle) === null)) continue
    const marked = handle ?? sha ?? command ?? ''
    entities.push({ type: 'code', offset: match.index + whole.indexOf(marked), length: marked.length })
  }
  return { text, entities }
}

/** At most `most` UTF-16 units, with `…` where something is left out; no letter is cut in two. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text
  const kept = text.slice(0, most - 1)
  return `${/[\uD800-\uDBFF]$/.test(kept) ? kept.slice(0, -1) : kept}…`
}

/** The buttons below a message, each row about as wide as a phone. Throws a Defect for what Telegram would refuse. */
export function drawButtons(buttons: readonly Button[]): InlineKeyboardMarkup {
  assert(buttons.length <= limits.buttons, `${buttons.length} buttons under one message: at most ${limits.buttons}`)
  const rows: InlineKeyboardButton[][] = []
  for (const button of buttons) {
    const row = rows.at(-1)
    const drawn = drawButton(button)
    const width = row?.reduce((sum, { text }) => sum + text.length, 0) ?? Infinity
    if (row && row.length < 3 && width + drawn.text.length <= 30) row.push(drawn)
    else rows.push([drawn])
  }
  return { inline_keyboard: rows }
}

function drawButton({ label, data, style, confirm }: Button): InlineKeyboardButton {
  assert(
    !Object.values<string>(marks).includes(data.charAt(0)),
    `the data of button ${label} begins with a mark of ours`,
  )
  const callback = checkData(confirm === null ? data : marks.ask + data, label)
  return { text: label, callback_data: callback, ...(style === 'plain' ? {} : { style }) }
}

/** The second screen of what cannot be undone: yes, and Cancel on its own row. */
export const drawConfirm = (label: string, data: string): InlineKeyboardMarkup => ({
  inline_keyboard: [
    [{ text: label, callback_data: checkData(marks.sure + data, label), style: 'danger' }],
    [{ text: 'Cancel', callback_data: marks.leave }],
  ],
})

function checkData(data: string, label: string): string {
  const bytes = Buffer.byteLength(data)
  assert(bytes > 0 && bytes <= limits.buttonBytes, `button ${label} carries ${bytes} bytes: Telegram allows 1 to 64`)
  return data
}

/** A post as the Bot API takes it. */
export const drawPost = ({ lines, buttons }: Post): Drawing & { readonly reply_markup: InlineKeyboardMarkup } => ({
  ...drawLines(lines),
  reply_markup: drawButtons(buttons),
})

/** A reply as a message, or as a document where it is a file or longer than a message. */
export function drawReply(reply: Reply): Drawing | Document {
  const lines = sayReply(reply)
  const text = lines.join('\n')
  if (text.trim() === '') return drawLines(['Nothing yet.'])
  const document = documentOf(reply, text)
  return document ? { ...document, caption: cut(harmless(document.caption), limits.caption) } : drawLines(lines)
}

function documentOf(reply: Reply, text: string): Document | null {
  switch (reply.kind) {
    case 'file':
      return { name: fileName(reply.name), caption: `${reply.name} · sha ${reply.sha256.slice(0, 12)}`, text }
    case 'diff':
      return { name: `${reply.handle}.diff`, caption: `Run ${reply.handle}: what changed`, text }
    case 'logs':
      return { name: `${reply.handle}-logs.txt`, caption: `Run ${reply.handle}: what happened, line by line`, text }
    default:
      return text.length > limits.text
        ? { name: `${reply.kind}.txt`, caption: text.split('\n', 1)[0] ?? '', text }
        : null
  }
}

/** grammY writes the name into a header as it is, so it may hold nothing that ends one. */
function fileName(path: string): string {
  const name = (path.split('/').at(-1) ?? path).replaceAll(/[^\p{L}\p{N}_.-]/gu, '_').slice(-100)
  return name.includes('.') ? name : `${name}.md`
}
