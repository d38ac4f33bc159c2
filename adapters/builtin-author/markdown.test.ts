import { describe, expect, test } from 'vitest'
import { cell, clip, code, fenced, inline, listed, quoted } from './markdown.ts'

describe('text is data', () => {
  test.each([
    ['a *b* [c](d)', 'a \\*b\\* \\[c\\](d)'],
    ['<b> & &amp;', '&lt;b> & &amp;amp;'],
    ['`a*b` and *c*', '`a*b` and \\*c\\*'],
    ['snake_case _x_', 'snake_case \\_x\\_'],
    ['# not a heading', '\\# not a heading'],
    ['- not a list', '\\- not a list'],
    ['ask @ada, TBD', 'ask `@ada`, `TBD`'],
    ['me@example.org', 'me@example.org'],
    ['see https://example.org/TODO', 'see `https://example.org/TODO`'],
    ['[A_B] [c][d]', '`[A_B]` \\[c\\] \\[d\\]'],
    ['two\nlines\u202e', 'two lines'],
  ])('%j becomes %j', (text, expected) => {
    expect(inline(text)).toBe(expected)
  })

  test('pipes do not end a cell', () => {
    expect(cell('a | `b|c`')).toBe('a \\| `b\\|c`')
    expect(code('a|b', true)).toBe('`a\\|b`')
  })

  test('code and fences outgrow what they hold', () => {
    expect(code('a`b')).toBe('``a`b``')
    expect(fenced('js', '```')).toBe('````js\n```\n````')
  })

  test('a plain sentence is quoted as it is, any other stands in a fence', () => {
    expect(quoted('It must `run`.')).toBe('> It must `run`.')
    for (const hostile of ['<b>x</b>', '# x', 'a\nb', 'see [x](y)', 'TBD', '@ada must', '- x', '![x](y)']) {
      expect(quoted(hostile)).toBe(`\`\`\`text\n${hostile}\n\`\`\``)
    }
  })
})

describe('short forms', () => {
  test('are cut between words, never inside code', () => {
    expect(clip('one two three', 9)).toBe('one two…')
    expect(clip('see `a long name` there', 12)).toBe('see…')
  })

  test('lists count what they leave out', () => {
    expect(listed(['a', 'b', 'c'])).toBe('a, b and c')
    expect(listed(['a', 'b', 'c', 'd'], 3)).toBe('a, b and 2 more')
  })
})
