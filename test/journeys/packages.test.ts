import { readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createPackageProxy } from '../../adapters/package-proxy/proxy.ts'
import type { PackageHosts, Sandbox } from '../../core/workshop.ts'
import {
  agreed,
  cardWhen,
  git,
  isAtEnd,
  isAtGate,
  makeRepository,
  openTestHouse,
  startFactory,
  type TestHouse,
} from '../support/house.ts'
import { openRegistry, type Registry } from '../support/registry.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { append, type Deed, scriptedAgent, workshopOf } from '../support/workshop.ts'

const readme = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'

/** Fails without the package, and where it can reach anything. */
const needsPackage = `require('node:assert').equal(require('left-part')(), 'part')
for (const port of [4010, 4011])
  require('node:net').connect(port, '127.0.0.1').on('connect', () => process.exit(1)).on('error', () => undefined)
`

const part = { 'index.js': "module.exports = () => 'part'\n" }

const hostsOf = ({ hosts }: Registry): PackageHosts =>
  createPackageProxy({ hosts, tmpDir: tmpdir(), onRefused: () => undefined })

/** A run whose agent does this, up to the work on its only milestone. */
async function atWork(deed: Deed, packages: PackageHosts | null, files: Readonly<Record<string, string>>) {
  const agent = scriptedAgent(deed)
  const house = await openTestHouse({}, null, {
    codeHost: null,
    git: {},
    workshop: workshopOf(agent, null, null, packages),
  })
  const folder = await makeRepository(house, 'shop', { 'README.md': readme, ...files })
  await house.work()
  const handle = await startFactory(house, folder)
  for (const gate of ['anchor', 'first-merge']) await approve(house, handle, gate)
  return { agent, house, folder, handle }
}

async function approve(house: TestHouse, handle: string, gate: string): Promise<void> {
  await cardWhen(
    house,
    handle,
    (it) => isAtGate(it) && it.gates.some(({ name, verdict }) => name === gate && verdict === null),
  )
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
}

/** npm runs several times in each. */
const inTime = { timeout: 90_000 }

test.runIf(hasSandbox)(
  'a milestone whose tests need a package passes, and the merge holds nothing that was installed',
  inTime,
  async () => {
    const registry = await openRegistry(part)
    const seen: string[] = []
    const deed: Deed = async (task) => {
      seen.push(await readFile(join(task.folder, 'node_modules/left-part/index.js'), 'utf8'))
      await append(task, 'node_modules/left-part/index.js', '// changed by the agent\n')
      await append(task, 'test.js', `${needsPackage}// R-1\n`)
    }
    const { agent, house, folder, handle } = await atWork(deed, hostsOf(registry), registry.files)
    await expect.poll(() => agent.tasks.length, { timeout: 30_000 }).toBe(1)
    await approve(house, handle, 'M-001')
    expect(await cardWhen(house, handle, isAtEnd)).toMatchObject({ state: 'succeeded' })
    expect(seen).toEqual([part['index.js']])
    expect(agent.tasks[0]?.prompt).toContain('The packages that it names are installed.')
    const merged = (await git(folder, 'ls-tree', '-r', '--name-only', 'main')).split('\n')
    expect(merged.filter((path) => !path.startsWith('docs/'))).toEqual([
      '.npmrc',
      'README.md',
      'package-lock.json',
      'package.json',
      'registry.pem',
      'test.js',
    ])
    expect(
      registry.asked.filter((path) => path.endsWith('.tgz')),
      'once for the agent and once for the tests',
    ).toHaveLength(2)
    expect(await readdir(join(house.dir, 'state/work')), 'nothing is left on the disk').toEqual([])
  },
)

/** A project with an install of its own, which asks for the package through the proxy that its environment names. */
const withInstall = ({ files, url }: Registry): Readonly<Record<string, string>> => ({
  ...files,
  'quantapilot.yml': 'stack: { install: sh install.sh, test: node test.js }\n',
  'install.sh':
    'node fetch.mjs > /tmp/part.tgz && mkdir -p node_modules/left-part && tar -xzf /tmp/part.tgz --strip-components=1 -C node_modules/left-part\n',
  'fetch.mjs': `import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { get } from 'node:https'
const { hostname, port } = new URL(process.env.HTTPS_PROXY)
const { host, pathname: path } = new URL('${url}')
request({ host: hostname, port, method: 'CONNECT', path: host })
  .on('connect', ({ statusCode }, socket) => {
    if (statusCode !== 200) process.exit(1)
    get({ socket, agent: false, host: 'localhost', path, ca: readFileSync('registry.pem') }, (answer) => answer.pipe(process.stdout))
  })
  .end()
`,
})

/** The same hosts, which may be out of reach for a time. */
function switched(packages: PackageHosts) {
  const none = createPackageProxy({ hosts: [], tmpDir: tmpdir(), onRefused: () => undefined })
  const state = { isOn: true, opened: 0 }
  const open: PackageHosts['open'] = (signal) => {
    state.opened++
    return (state.isOn ? packages : none).open(signal)
  }
  return { state, packages: { open } satisfies PackageHosts }
}

const isPaused = ({ state }: { state: string }): boolean => state === 'paused'

test.runIf(hasSandbox)(
  'packages that cannot be installed at all are a question to people, before an agent is paid for, and again until they can',
  inTime,
  async () => {
    const registry = await openRegistry(part)
    const { state, packages } = switched(hostsOf(registry))
    state.isOn = false
    const deed: Deed = (task) => append(task, 'test.js', `${needsPackage}// R-1\n`)
    const { agent, house, handle } = await atWork(deed, packages, withInstall(registry))
    const card = await cardWhen(house, handle, isPaused)
    expect(card.reasonCode).toBe('install')
    expect(card.reason).toMatch(
      /^The packages of M-001 cannot be installed, and its change is not why\. .*"localhost:\d+" was refused: QP_PACKAGE_HOSTS does not list it\. See M-001\/agent-install-1-\w+\.txt in \/artifacts r\w+\./,
    )
    const [, log = ''] = /See (\S+) in/.exec(card.reason ?? '') ?? []
    const said = agreed(await house.ask({ kind: 'artifacts', run: handle, name: log }))
    expect(said.kind === 'file' && said.text).toContain('was refused')
    agreed(await house.ask({ kind: 'resume', run: handle }))
    await expect.poll(() => state.opened, { timeout: 10_000 }).toBe(2)
    await cardWhen(house, handle, isPaused)
    expect([agent.tasks.length, registry.asked]).toEqual([0, []])
    state.isOn = true
    agreed(await house.ask({ kind: 'resume', run: handle }))
    await approve(house, handle, 'M-001')
  },
)

test.runIf(hasSandbox)(
  'a change of what is installed that breaks the install goes back to the agent with what was said',
  inTime,
  async () => {
    const registry = await openRegistry(part)
    const { 'package.json': manifest = '' } = registry.files
    const deed: Deed = async (task, n) => {
      await append(task, 'test.js', `${needsPackage}// R-${n}\n`)
      await writeFile(join(task.folder, 'package.json'), n === 1 ? manifest.replace('1.0.0"}', '2.0.0"}') : manifest)
    }
    const { agent, house, handle } = await atWork(deed, hostsOf(registry), registry.files)
    for (const n of [1, 2]) await expect.poll(() => agent.tasks.length, { timeout: 30_000 }).toBe(n)
    await approve(house, handle, 'M-001')
    expect(agent.tasks).toHaveLength(2)
    expect(agent.tasks[1]?.prompt).toMatch(
      /sent back \w+\nThe packages could not be installed: the install ended with 1\./,
    )
    expect(agent.tasks[1]?.prompt).toContain('left-part@2.0.0')
  },
)

test.runIf(hasSandbox).each([
  ['what is installed is not changed', false],
  ['what is installed is changed, and the base cannot be installed either', true],
])('an install that breaks when the tests run is no fault of the agent’s where %s', inTime, async (_, isTouched) => {
  const registry = await openRegistry(part)
  const { state, packages } = switched(hostsOf(registry))
  const deed: Deed = async (task) => {
    await append(task, 'test.js', `${needsPackage}// R-1\n`)
    if (isTouched) await append(task, 'package.json', '\n')
    state.isOn = false
  }
  const { agent, house, handle } = await atWork(deed, packages, withInstall(registry))
  const card = await cardWhen(house, handle, isPaused)
  expect([card.reasonCode, card.phase?.title]).toEqual(['install', 'testing M-001'])
  expect(state.opened, 'for the agent, for its change, and for the base').toBe(isTouched ? 3 : 2)
  state.isOn = true
  agreed(await house.ask({ kind: 'resume', run: handle }))
  await approve(house, handle, 'M-001')
  expect(agent.tasks).toHaveLength(1)
})

/** The sandbox, with room for a hundredth of the files. */
const cramped = (sandbox: Sandbox): Sandbox => ({
  missing: () => sandbox.missing(),
  run: (order, signal) => sandbox.run({ ...order, limits: { ...order.limits, folderBytes: 20_000_000 } }, signal),
})

test.runIf(hasSandbox)(
  'a package that unpacks to more than a folder may hold ends its install, and nothing of it stays on the disk',
  inTime,
  async () => {
    const large = Array.from({ length: 30 }, (_, n) => [`large-${n}.bin`, '\0'.repeat(2_000_000)] as const)
    const registry = await openRegistry({ ...part, ...Object.fromEntries(large) })
    const agent = scriptedAgent(() => Promise.resolve())
    const house = await openTestHouse({}, null, {
      codeHost: null,
      git: {},
      workshop: (options) => {
        const workshop = workshopOf(agent, null, null, hostsOf(registry))(options)
        return workshop && { ...workshop, sandbox: cramped(workshop.sandbox) }
      },
    })
    const folder = await makeRepository(house, 'shop', { 'README.md': readme, ...registry.files })
    await house.work()
    const handle = await startFactory(house, folder)
    for (const gate of ['anchor', 'first-merge']) await approve(house, handle, gate)
    const card = await cardWhen(house, handle, isPaused)
    expect(card.reason).toContain(
      'The packages could not be installed: the install was ended, because it wrote more than 2 GB.',
    )
    expect(
      registry.asked.filter((path) => path.endsWith('.tgz')),
      'it had come',
    ).not.toEqual([])
    expect(await readdir(join(house.dir, 'state/work'))).toEqual([])
    expect(agent.tasks).toEqual([])
  },
)
