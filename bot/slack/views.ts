import type { types } from '@slack/bolt'
import type { Unsaid } from '../surface.ts'
import { section, sections } from './blocks.ts'
import { cut, harmless } from './text.ts'

/** The form that asks why; Slack itself refuses an empty one. */
export function askReason(
  command: Unsaid,
  prompt: string,
  memory: { channel: string; isPrivate: boolean },
): types.ModalView {
  return {
    type: 'modal',
    callback_id: 'qp_reason',
    private_metadata: JSON.stringify({ command, ...memory }),
    title: words(command.kind === 'reject' ? 'Reject' : 'Ask for changes'),
    submit: words(command.kind === 'reject' ? 'Reject' : 'Send back'),
    close: words('Cancel'),
    blocks: [
      section(cut(harmless(`Run ${command.run}${command.gate ? `, gate ${command.gate}` : ''}`), 3_000)),
      {
        type: 'input',
        block_id: 'reason',
        optional: false,
        label: words(cut(prompt, 2_000)),
        element: { type: 'plain_text_input', action_id: 'reason', multiline: true, min_length: 1, max_length: 3_000 },
      },
    ],
  }
}

/** What came of a form, shown in its place. */
export const outcome = (lines: readonly string[]): types.ModalView => ({
  type: 'modal',
  callback_id: 'qp_outcome',
  title: words('QuantaPilot'),
  close: words('Close'),
  blocks: sections(lines, 20),
})

/** The app's own tab: https://docs.slack.dev/surfaces/app-home allows 100 blocks. */
export const home = (title: string, lines: readonly string[]): types.HomeView => ({
  type: 'home',
  blocks: [{ type: 'header', text: words(title) }, ...sections(lines, 90)],
})

const words = (text: string): types.PlainTextElement => ({ type: 'plain_text', text, emoji: false })
