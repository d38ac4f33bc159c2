import { expect, test } from 'vitest'
import { inert, quiet } from './quiet.ts'

test.each([
  ['@olivia look', '@\u2060olivia look'],
  ['cc (@acme/team)', 'cc (@\u2060acme/team)'],
  ['mail a@b.example', 'mail a@\u2060b.example'],
  ['fixes #1', 'fixes #\u20601'],
  ['closes acme/shop#12 and GH-3', 'closes acme/shop#\u206012 and GH-\u20603'],
  ['see https://github.com/acme/shop/issues/1', 'see https:\u2060//github.com/acme/shop/issues/1'],
  ['see www.example.org', 'see www.\u2060example.org'],
  ['two\nlines\u202e and \u0000 more', 'two lines and more'],
  ['# and @ alone, R-1a2b3c, C#, 3:4', '# and @ alone, R-1a2b3c, C#, 3:4'],
])('%j pings nobody, closes nothing and leads nowhere', (text, expected) => expect(quiet(text)).toBe(expected))

test.each([
  ['<img src=x onerror=y> & <!-- hidden -->', '\\<img src=x onerror=y\\> \\& \\<\\!-- hidden --\\>'],
  ['[approve](https://evil.example)', '\\[approve\\](https:\u2060//evil.example)'],
  ['a | b `c` *d* _e_ ~~f~~ $g$', 'a \\| b \\`c\\` \\*d\\* \\_e\\_ \\~\\~f\\~\\~ \\$g\\$'],
  ['# Approved', '\\# Approved'],
  ['- [x] done', '\\- \\[x\\] done'],
  ['1. first', '1\\. first'],
  ['plain words, 3 of 4', 'plain words, 3 of 4'],
])('%j shows itself', (text, expected) => expect(inert(text)).toBe(expected))
