import { expect, test } from 'vitest'
import { addedLines, lossOfData, withSecrets } from './review.ts'

/** As git writes the patch of a new file; `named` is the path as it stands in the head. */
const added = (named: string, lines: readonly string[]): string =>
  [
    `diff --git a/x b/x`,
    'new file mode 100644',
    `index ${'0'.repeat(40)}..${'1'.repeat(40)}`,
    '--- /dev/null',
    `+++ ${named}`,
    `@@ -0,0 +1,${lines.length} @@`,
    ...lines.map((line) => `+${line}`),
    '',
  ].join('\n')

test('a line that looks like the head of a file is a line like any other', () => {
  const key = `AKIA${'Q'.repeat(16)}`
  const patch =
    added('b/notes.txt', [`++ ${key}`]) +
    added('b/migrations/1.sql', ['/*', '++ b/readme', '*/', 'drop table users;']) +
    added('b/last.txt', ['@@ -1 +1 @@', 'diff --git a/y b/y', '++ b/y'])
  expect(addedLines(patch).map(({ path }) => path)).toEqual([
    'notes.txt',
    ...Array.from({ length: 4 }, () => 'migrations/1.sql'),
    ...Array.from({ length: 3 }, () => 'last.txt'),
  ])
  expect(withSecrets(addedLines(patch))).toEqual(['notes.txt'])
  expect(lossOfData(addedLines(patch))).toEqual(['migrations/1.sql takes data away: drop table users;'])
})

test.each([
  ['b/one.sql', 'one.sql'],
  ['b/with a blank.sql\t', 'with a blank.sql'],
  ['"b/sch\\303\\251ma.sql"', 'schéma.sql'],
  ['"b/un sch\\303\\251ma.sql"\t', 'un schéma.sql'],
])('the path that git writes as %j is %s', (named, path) => {
  expect(addedLines(added(named, ['drop table users;']))).toEqual([{ path, text: 'drop table users;' }])
})
