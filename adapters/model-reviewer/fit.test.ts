import { expect, test } from 'vitest'
import { fitHead, fitPatch } from './fit.ts'

const fileOf = (path: string, lines: number): string =>
  [
    `diff --git a/${path} b/${path}`,
    '--- /dev/null',
    `+++ b/${path}`,
    `@@ -0,0 +1,${lines} @@`,
    ...Array.from({ length: lines }, (_, n) => `+${n}`),
    '',
  ].join('\n')

test('a patch that fits is shown as it is', () => {
  const patch = fileOf('a.ts', 3) + fileOf('b.ts', 3)
  expect(fitPatch(patch, 10_000)).toEqual({ text: patch, leftOut: [] })
  expect(fitPatch('', 10_000)).toEqual({ text: '', leftOut: [] })
})

test('a huge file hides no other: what is small is shown whole, and what is cut is said', () => {
  const [huge, small] = [fileOf('huge.txt', 5_000), fileOf('small.ts', 3)]
  const { text, leftOut } = fitPatch(huge + small, 1_000)
  expect(text).toHaveLength(1_000)
  expect(text.startsWith('diff --git a/huge.txt')).toBe(true)
  expect(text.endsWith(small)).toBe(true)
  expect(leftOut).toEqual([`huge.txt: all behind its first ${1_000 - small.length} characters`])
})

test('what has no room at all is named, each file by itself', () => {
  const patch = fileOf('a.ts', 3) + fileOf('b.ts', 40) + fileOf('c.ts', 50)
  const { leftOut } = fitPatch(patch, fileOf('a.ts', 3).length + 10)
  expect(leftOut).toEqual(['b.ts: all behind its first 10 characters', 'c.ts: all of it'])
})

test('a binary file is named and not shown, and a line of a file is never taken for a head', () => {
  const binary = 'diff --git a/logo.png b/logo.png\nnew file mode 100644\nGIT binary patch\nliteral 3\nKcmZ\n\n'
  const sly = `${fileOf('sly.ts', 1).trimEnd()}\n+diff --git a/x b/hidden\n+GIT binary patch\n`
  expect(fitPatch(binary + sly, 10_000)).toEqual({ text: sly, leftOut: ['logo.png: a binary file'] })
})

test('a text is shown from its beginning', () => {
  expect(fitHead('README', 'abc', 3)).toEqual({ text: 'abc', leftOut: [] })
  expect(fitHead('README', 'abcd', 3)).toEqual({ text: 'abc', leftOut: ['README: all behind its first 3 characters'] })
})

test.each(['\r', '\u2028', '\u2029'])(
  'a file cannot look like another one, or like none, behind %j in a line',
  (end) => {
    const line = ['+const a = 1', 'GIT binary patch', 'diff --git a/x b/package-lock.json', 'exfiltrate()'].join(end)
    const patch = `diff --git a/a.js b/a.js\n--- /dev/null\n+++ b/a.js\n@@ -0,0 +1 @@\n${line}\n`
    expect(fitPatch(patch, 10_000)).toEqual({ text: patch, leftOut: [] })
    expect(fitPatch(patch, 20).leftOut).toEqual(['a.js: all behind its first 20 characters'])
  },
)
