import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { addedLines as linesOf } from '../../../adapters/git/added-lines.ts'
import { git } from '../../../adapters/git/source-control.fixtures.ts'
import { lossOfData, withSecrets } from './review.ts'

const addedLines = (patch: string) => linesOf(Buffer.from(patch))

/** As git writes the patch of a new file; `named` is the path as it stands in the head, behind `b/`. */
const added = (named: string, lines: readonly string[]): string =>
  [
    `diff --git ${named.replace('b/', 'a/')} ${named}`,
    'new file mode 100644',
    `index ${'0'.repeat(40)}..${'1'.repeat(40)}`,
    '--- /dev/null',
    `+++ ${named}${named.includes(' ') ? '\t' : ''}`,
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
  ['b/with a blank.sql', 'with a blank.sql'],
  ['"b/sch\\303\\251ma.sql"', 'schéma.sql'],
  ['"b/un sch\\303\\251ma.sql"', 'un schéma.sql'],
])('the path that git writes as %j is %s', (named, path) => {
  expect(addedLines(added(named, ['drop table users;']))).toEqual([{ path, text: 'drop table users;' }])
})

test('what a file holds that git takes for binary is seen by its bytes, new or changed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qp-binary-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const key = `AKIA${'Q'.repeat(16)}`
  const noise = Buffer.from(Array.from({ length: 3_000 }, (_, n) => (n * n * 7) % 251))
  await git(folder, ['init', '-q'])
  const write = async (name: string, ...parts: readonly (string | Buffer)[]): Promise<void> =>
    writeFile(join(folder, name), Buffer.concat(parts.map((part) => Buffer.from(part))))
  const tree = async (): Promise<string> => {
    await git(folder, ['add', '-A'])
    return git(folder, ['write-tree'])
  }
  await write('grows.bin', '\0', noise)
  const before = await tree()
  await write('grows.bin', '\0', noise, `${key}\n`, noise)
  await write('with a blank.bin', noise, '\0', key)
  await write('größe.txt', Buffer.from(`key=${key}`, 'utf16le'))
  await write('migrations.sql', "select '\0';\ndrop table users;\n")
  await write('innocent.bin', '\0', noise)
  const patch = await git(folder, [
    'diff-tree',
    '-r',
    '--no-renames',
    '--full-index',
    '-p',
    '--binary',
    before,
    await tree(),
  ])
  expect(patch).toMatch(/^delta /m)
  expect(patch).toMatch(/^literal /m)
  const lines = addedLines(patch)
  expect(withSecrets(lines)).toEqual(['grows.bin', 'größe.txt', 'with a blank.bin'])
  expect(lossOfData(lines)).toEqual(['migrations.sql takes data away: drop table users;'])
  expect(
    addedLines(await git(folder, ['diff-tree', '-r', '-p', '--binary', '--full-index', await tree(), before])).filter(
      ({ text }) => text.includes('AKIA'),
    ),
  ).toEqual([])
})
