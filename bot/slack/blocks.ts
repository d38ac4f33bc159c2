import type { types } from '@slack/bolt'
import { assert } from '../../core/model/problem.ts'
import type { Button, Post } from '../surface.ts'
import { asTyped, cut, harmless, pieces } from './text.ts'

/** Slack's own limits: https://docs.slack.dev/reference/block-kit/blocks */
const most = { blocks: 50, section: 3_000, rowOfButtons: 5, label: 75, confirm: 300, fallback: 3_000, dataBytes: 64 }

/** What a message is sent as: the text stands alone in notifications and where blocks cannot be shown. */
export type Drawn = { readonly text: string; readonly blocks: types.KnownBlock[] }

/** A post as Block Kit, within Slack's limits whatever it holds; a button that carries too much is a Defect. */
export function draw({ lines, links = [], buttons }: Post): Drawn {
  const [title = '', ...rest] = lines
  const rows = rowsOf(buttons)
  const bodies = pieces(rest.map(said).map(linked(links)), most.section)
  const shown = bodies.slice(0, most.blocks - 1 - rows.length)
  return {
    text: plain(lines),
    blocks: [section(bold(title)), ...shown.map(section), ...rows],
  }
}

const said = (line: string): string => harmless(asTyped(line))

/** Makes links of these addresses, where each stands as a word of its own. */
const linked =
  (links: readonly string[]) =>
  (line: string): string =>
    line
      .split(' ')
      .map((word) => (links.some((link) => isPlain.test(link) && harmless(link) === word) ? `<${word}>` : word))
      .join(' ')

/** What ends no link of Slack's early. */
const isPlain = /^https?:\/\/[^\s<>|]+$/

/** Lines as the text of a message, harmless and short enough. */
export const plain = (lines: readonly string[]): string => cut(lines.map(said).join('\n') || '…', most.fallback)

/** Lines as sections, as many as fit. */
export const sections = (lines: readonly string[], room: number): types.KnownBlock[] =>
  pieces(lines.map(said), most.section).slice(0, room).map(section)

/** A line in bold; its own asterisks stay asterisks. */
export function bold(line: string): string {
  const text = cut(harmless(line).replaceAll('*', '∗').replaceAll('\n', ' ').trim(), most.section - 2)
  return text === '' ? '…' : `*${text}*`
}

/** `verbatim` keeps Slack from making links and mentions out of what looks like them. */
export const section = (text: string): types.SectionBlock => ({
  type: 'section',
  text: { type: 'mrkdwn', text, verbatim: true },
})

function rowsOf(buttons: readonly Button[]): types.ActionsBlock[] {
  const rows: types.ActionsBlock[] = []
  for (let first = 0; first < buttons.length; first += most.rowOfButtons) {
    const row = buttons.slice(first, first + most.rowOfButtons)
    rows.push({ type: 'actions', elements: row.map((button, n) => drawButton(button, first + n)) })
  }
  return rows
}

function drawButton({ label, data, style, confirm }: Button, n: number): types.Button {
  assert(Buffer.byteLength(data) <= most.dataBytes, `the button ${label} carries more than ${most.dataBytes} bytes`)
  return {
    type: 'button',
    action_id: `qp:${n}`,
    text: { type: 'plain_text', text: cut(label, most.label), emoji: false },
    value: data,
    ...(style === 'plain' ? {} : { style }),
    ...(confirm === null ? {} : { confirm: askFirst(label, confirm, style) }),
  }
}

function askFirst(label: string, question: string, style: Button['style']): types.ConfirmationDialog {
  return {
    title: { type: 'plain_text', text: cut(label, 100), emoji: false },
    text: { type: 'plain_text', text: cut(question, most.confirm), emoji: false },
    confirm: { type: 'plain_text', text: 'Yes', emoji: false },
    deny: { type: 'plain_text', text: 'No', emoji: false },
    ...(style === 'plain' ? {} : { style }),
  }
}
