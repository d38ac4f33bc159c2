/** What Slack itself refuses, word for word; null where it takes the message. */
export function refuseBlocks(blocks: unknown): string | null {
  if (blocks === undefined) return null
  if (!Array.isArray(blocks)) return 'invalid_blocks'
  if (blocks.length > 50) return 'invalid_blocks'
  return blocks.every(isSound) ? null : 'invalid_blocks'
}

type Thing = { readonly [key: string]: unknown }

const isThing = (value: unknown): value is Thing => typeof value === 'object' && value !== null

function isSound(block: unknown): boolean {
  if (!isThing(block)) return false
  switch (block['type']) {
    case 'section':
      return isText(block['text'], 3_000)
    case 'header':
      return isText(block['text'], 150)
    case 'input':
      return isText(block['label'], 2_000)
    case 'actions':
      return isList(block['elements'], 25) && block['elements'].every(isButton) && areDistinct(block['elements'])
    default:
      return false
  }
}

const isList = (value: unknown, most: number): value is readonly unknown[] =>
  Array.isArray(value) && value.length > 0 && value.length <= most

const isText = (text: unknown, most: number): boolean =>
  isThing(text) && typeof text['text'] === 'string' && text['text'].length > 0 && text['text'].length <= most

const isButton = (button: unknown): boolean =>
  isThing(button) &&
  isText(button['text'], 75) &&
  String(button['value']).length <= 2_000 &&
  [undefined, 'primary', 'danger'].includes(button['style'] as string | undefined) &&
  (button['confirm'] === undefined || isConfirm(button['confirm']))

const isConfirm = (confirm: unknown): boolean =>
  isThing(confirm) &&
  isText(confirm['title'], 100) &&
  isText(confirm['text'], 300) &&
  isText(confirm['confirm'], 30) &&
  isText(confirm['deny'], 30)

const areDistinct = (buttons: readonly unknown[]): boolean =>
  new Set(buttons.map((button) => (isThing(button) ? button['action_id'] : null))).size === buttons.length
