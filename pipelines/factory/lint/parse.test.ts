import { expect, test } from 'vitest'
import { parseBlocks } from './parse.ts'

/** Type, line and text of each block that is not text itself. */
const blocks = (text: string) =>
  parseBlocks(text).map(({ type, position }) => ({
    type,
    line: position?.start.line,
    text: text.slice(position?.start.offset, position?.end.offset),
  }))

const filler = 'A line.\n\n'.repeat(150)

test('a long text in parts has the blocks, lines and characters it has as a whole', () => {
  const part = `${filler}# One\n\n> quoted\n\nsee [a] and [^1]\n\n`
  const text = `${part}${part}[a]: x.md\n[^1]: note\n\n${part}`
  const found = blocks(text)
  expect(found.filter(({ type }) => type === 'heading').map(({ line }) => line)).toEqual([301, 607, 916])
  expect(new Set(found.filter(({ type }) => type === 'heading').map(({ text }) => text))).toEqual(new Set(['# One']))
  expect(found.filter(({ type }) => type === 'definition')).toEqual([
    { type: 'definition', line: 613, text: '[a]: x.md' },
  ])
  expect(found).toHaveLength(3 * 153 + 2)
})

test('what one part defines, the others refer to', () => {
  const text = `[a]\n\n${filler}# One\n\n[a]\n\n[a]: x.md\n`
  const links = parseBlocks(text).flatMap((block) => (block.type === 'paragraph' ? block.children : []))
  expect(links.filter(({ type }) => type === 'linkReference').map(({ position }) => position?.start.line)).toEqual([
    1, 305,
  ])
})

test.each([
  ['fenced code', `\`\`\`sh\n${'\n# comment\n'.repeat(200)}\`\`\`\n`],
  ['preformatted HTML', `<pre>\n${'\n# no heading\n'.repeat(200)}</pre>\n`],
  ['a comment', `<!--\n${'\n# no heading\n'.repeat(200)}-->\n`],
])('%s is never cut', (_, block) => {
  expect(blocks(`${filler}${block}`).filter(({ type }) => type === 'heading')).toEqual([])
})
