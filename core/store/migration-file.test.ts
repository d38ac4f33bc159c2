import { expect, test } from 'vitest'
import { parseMigration } from './migration-file.ts'

test('a migration says first whether older code can run beside it', () => {
  expect(parseMigration('0001_init.sql', '-- compatible: yes (the first one)\nselect 1;\n')).toMatchObject({
    version: 1,
    compatible: true,
    transaction: true,
  })
  expect(parseMigration('0012_drop_x.sql', '-- compatible: no (drops x)\n-- transaction: no\nselect 1;')).toMatchObject(
    {
      version: 12,
      compatible: false,
      transaction: false,
    },
  )
})

test.each([
  ['0001_init.sql', 'select 1;', 'must say on its first line whether older code can run beside it'],
  ['0001_init.sql', '-- compatible: yes\nselect 1;', 'must say on its first line'],
  ['0001_init.sql', '\n-- compatible: yes (late)\n', 'must say on its first line'],
  ['init.sql', '-- compatible: yes (x)\n', 'must be named like 0002_add_gates.sql'],
  ['0001-Init.sql', '-- compatible: yes (x)\n', 'must be named like'],
])('%s with %j %s', (name, text, problem) => {
  expect(() => parseMigration(name, text)).toThrow(problem)
})

test('a checkout with Windows line ends has the same checksum', () => {
  const unix = parseMigration('0001_a.sql', '-- compatible: yes (x)\nselect 1;\n')
  expect(parseMigration('0001_a.sql', '-- compatible: yes (x)\r\nselect 1;\r\n').sha256).toBe(unix.sha256)
})
