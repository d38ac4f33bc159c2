import { chmod, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeRepository } from '../adapters/git/source-control.fixtures.ts'
import { runProcess } from '../adapters/process/run.ts'

const script = join(import.meta.dirname, 'support/read-and-commit.ts')

/** Root passes every permission; without these two rights it is an account like any other. */
const asAnyAccount =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', process.execPath] : []

/** What reading from the repository and writing to it ends with. */
async function readAndCommit(repository: string, stateDir: string): Promise<string> {
  const [command = process.execPath, ...before] = asAnyAccount
  const { stdout, stderr } = await runProcess({
    command,
    args: [...before, script, repository, stateDir],
    cwd: '/',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    timeoutMs: 30_000,
    maxOutputBytes: 100_000,
  })
  return stdout.toString() || stderr
}

async function openRoom(): Promise<{ readonly shop: string; readonly stateDir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'qp-closed-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const stateDir = join(dir, 'state')
  await mkdir(stateDir)
  return { shop: await makeRepository(join(dir, 'shop')), stateDir }
}

const objectsOf = async (shop: string): Promise<readonly string[]> => {
  const objects = join(shop, '.git/objects')
  const files = (await readdir(objects, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name))
}

test('a repository that is open to us is read and written', async () => {
  const { shop, stateDir } = await openRoom()
  expect(await readAndCommit(shop, stateDir)).toBe('committed')
})

test.each(['', '.git', '.git/HEAD', '.git/objects', '.git/refs', '.git/index'])(
  'where shop/%s may not be read, that is what is said',
  async (closed) => {
    const { shop, stateDir } = await openRoom()
    await chmod(join(shop, closed), 0)
    const said = await readAndCommit(shop, stateDir)
    await chmod(join(shop, closed), 0o700)
    const path = join(await realpath(shop), closed)
    expect(said).toBe(`The account that runs this may not read ${path}: change its permissions, then /retry.`)
  },
)

test('objects that may not be read are named as the cause, and not the connection', async () => {
  const { shop, stateDir } = await openRoom()
  for (const object of await objectsOf(shop)) await chmod(object, 0)
  expect(await readAndCommit(shop, stateDir)).toMatch(
    /^An object of \S+|^The account that runs this may not read all of/,
  )
})

test.each([
  ['.git/objects', 'The account that runs this may not read or write'],
  ['.git/refs/heads', 'No branch can be made in'],
])('where shop/%s may not be written, that is what is said', async (closed, sentence) => {
  const { shop, stateDir } = await openRoom()
  await chmod(join(shop, closed), 0o500)
  for (const entry of await readdir(join(shop, closed), { withFileTypes: true }))
    if (entry.isDirectory()) await chmod(join(shop, closed, entry.name), 0o500)
  const said = await readAndCommit(shop, stateDir)
  for (const entry of await readdir(join(shop, closed), { withFileTypes: true }))
    if (entry.isDirectory()) await chmod(join(shop, closed, entry.name), 0o700)
  await chmod(join(shop, closed), 0o700)
  expect(said).toContain(sentence)
  expect(said).toContain('then /retry.')
})

test('where our own state may not be written, its folder is named', async () => {
  const { shop, stateDir } = await openRoom()
  await chmod(stateDir, 0o500)
  const said = await readAndCommit(shop, stateDir)
  await chmod(stateDir, 0o700)
  expect(said).toBe(
    `The account that runs this may not write below ${stateDir}: change the folder's permissions, then /retry.`,
  )
})
