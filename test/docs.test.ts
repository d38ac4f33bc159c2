import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { describeApi } from '../bot/http/openapi.ts'
import { grammar } from '../bot/grammar.ts'

const root = resolve(import.meta.dirname, '..')
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'AGENTS.md', ...listMarkdown('docs')]
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
)
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

function listMarkdown(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
}

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

test.each(pages)('%s: every link leads somewhere', (page) => {
  const links = [...textOf(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '')
  expect(links.filter((link) => !existsSync(resolve(root, dirname(page), link)))).toEqual([])
})

test.each(pages)('%s: every path it names exists', (page) => {
  const named = [...textOf(page).matchAll(/`([a-z][\w.-]*(?:\/[\w.-]+)+\/?)`/g)].map((match) => match[1] ?? '')
  const ours = named.filter((path) => folders.includes(path.split('/')[0] ?? ''))
  expect(ours.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test.each(pages)('%s: every npm script it names exists', (page) => {
  const named = [...textOf(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '')
  expect(named.filter((script) => !scripts.includes(script))).toEqual([])
})

test.each(pages)('%s: every qp command it names exists', (page) => {
  const known = [...Object.keys(grammar), 'help', 'start', 'demo', 'doctor', 'lint', 'db', 'cron', 'replay', 'version']
  const named = [...textOf(page).matchAll(/(?:`qp|npm run qp --|npx qp) ([a-z-]+)/g)].map((match) => match[1] ?? '')
  expect(named.filter((command) => !known.includes(command))).toEqual([])
})

test('docs/http-api.md names every route there is, and no other', () => {
  const { paths } = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) }).parse(describeApi('0'))
  const real = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const table = textOf('docs/http-api.md').split('## Every route')[1]?.split('older programs')[0] ?? ''
  const named = [...table.matchAll(/`((?:GET|POST) \/[^`]*)`/g)].map((match) => match[1] ?? '')
  expect(named.toSorted()).toEqual(real.toSorted())
})

test('every command has a line of help', () => {
  for (const { usage, says } of Object.values(grammar)) expect(usage.length * says.length).toBeGreaterThan(0)
})
