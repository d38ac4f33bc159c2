import { expect, test } from 'vitest'
import { anchorPage } from './anchor.ts'
import { interfacesPage } from './interfaces.ts'
import { overviewPage } from './overview.ts'
import { runbookPage } from './runbook.ts'
import { requestFor } from './request.fixtures.ts'
import { studyOf } from './study.ts'

function studied(readme: string, name = 'tally') {
  return studyOf(requestFor(readme, { project: { ...requestFor('').project, name } }))
}

const readme = `# Tally

Tally counts words.

## How to use it

- \`tally count <file>\` prints the number of words.
- \`tally count --total <files>\` prints one sum for all of them.

With \`--csv <path>\` it also writes a table. Run \`git push\` at will.

## Not planned

There is no \`tally push <address>\`.
`

const named = (text: string, name?: string) => {
  const { commands, options } = studied(text, name).facts
  return { commands: commands.map((each) => each.name), options: options.map((each) => each.name) }
}

test('commands in inline code that begin with the product are interfaces, with their options and what is said of them', () => {
  const study = studied(readme)
  expect(study.facts.commands).toEqual([
    { name: 'tally count <file>', line: 7, says: 'prints the number of words.' },
    { name: 'tally count --total <files>', line: 8, says: 'prints one sum for all of them.' },
  ])
  expect(study.facts.options).toEqual([
    { name: '--total', line: 8, says: 'prints one sum for all of them.' },
    { name: '--csv <path>', line: 10, says: 'With `--csv <path>` it also writes a table.' },
  ])
  const page = interfacesPage(study).text
  expect(page).toContain('The README names 2 commands and 2 options.')
  expect(page).toContain('- A person who runs one of the commands below.')
  expect(page).toContain('| `tally count <file>` | prints the number of words. | 7 |')
  expect(page).toContain('| `--total` | prints one sum for all of them. | 8 |')
  expect(anchorPage(study).text).toContain(
    '| `tally count --total <files>` | prints one sum for all of them. | `README.md:8` |',
  )
  expect(overviewPage(study).text).toContain('- 4 named interfaces: 2 commands and 2 options')
})

test('the product goes by what one installs, by its title and by the name of its project', () => {
  const install = '\n```sh\nnpm install --global @words/tally\nbrew install git\n```\n'
  expect(named(`# Word counter\n${install}\nRun \`tally count\` and \`git push\`.\n`, 'words').commands).toEqual([
    'tally count',
  ])
  expect(named('# Word counter\n\nRun `word-counter count`.\n', 'words').commands).toEqual(['word-counter count'])
  expect(named('# Counter\n\nRun `words count` with `words 2.0`, or `other count`.\n', 'words').commands).toEqual([
    'words count',
  ])
})

test('commands stand in headings and tables too', () => {
  const text =
    '# Tally\n\n### `tally sum <file>`\n\nAdds up.\n\n## Commands\n\n| Command | Does |\n| - | - |\n| `tally list` | lists all |\n'
  expect(studied(text).facts.commands).toEqual([
    { name: 'tally sum <file>', line: 3, says: 'Adds up.' },
    { name: 'tally list', line: 11, says: 'lists all' },
  ])
  expect(interfacesPage(studied(text)).text).not.toContain('### Table of line')
  expect(runbookPage(studied(text)).text).toContain(
    'The commands that the README names are in [Interfaces](90_api.md).',
  )
})

test.each([
  ['tally count [--csv <path>] <file>', ['--csv <path>']],
  ['tally count --csv=<path>', ['--csv=<path>']],
  ['tally count --csv <path> <file>', ['--csv <path>']],
  ['tally export --csv <path>', ['--csv <path>']],
  ['tally count --quiet --total <files>', ['--quiet', '--total']],
  ['tally count -q', ['-q']],
])('%s has the options %j', (command, options) => {
  expect(named(`# Tally\n\n## Usage\n\nRun \`${command}\`.\n`).options).toEqual(options)
})

test('an option is named once, with its value, and keeps what a table says of it', () => {
  const text = 'Run `tally count --csv <path>` or `tally count --csv`. `--csv` writes a table.\n'
  expect(named(`# Tally\n\n${text}`).options).toEqual(['--csv <path>'])
  const table = '| Option | Does |\n| - | - |\n| `-c, --csv <path>` | a table |\n'
  expect(studied(`# Tally\n\n${text}\n${table}`).facts.options).toEqual([
    { name: '-c, --csv <path>', line: 7, says: 'a table' },
  ])
})
