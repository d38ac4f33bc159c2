import { mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { copyFolder, writeFiles } from '../adapters/host/files.ts'
import { runProcess } from '../adapters/process/run.ts'
import type { Ask } from '../bot/surface.ts'
import { runDemo } from '../bot/terminal/demo.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import { execute } from '../core/commands/execute.ts'
import { signIn } from '../core/commands/sign-in.ts'
import { documentSuite } from '../core/model/document-suite.ts'
import { assert } from '../core/model/problem.ts'
import { findAuditBreak } from '../core/store/audit-chain.ts'
import type { Opening } from './house.ts'
import { openHouse, programDir } from './house.ts'

/** The main job on the bundled example, in a database and a repository of its own. Answers with the exit code. */
export async function demo(screen: Screen, opening: Opening, isUnattended: boolean): Promise<number> {
  const startedAt = performance.now()
  screen.print('QuantaPilot demo · no account, no key, nothing leaves this machine')
  const stateDir = join(opening.stateDir, 'demo')
  const house = await openHouse({
    ...opening,
    config: { ...opening.config, databaseUrl: null, keysDir: null },
    stateDir,
  })
  screen.print(`✓ database ready (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`)
  try {
    const repository = await exampleRepository(stateDir, opening)
    const actor = await signIn(house.desk, {
      surface: 'terminal',
      account: 'demo',
      label: isUnattended ? 'demo' : 'you',
    })
    const ask: Ask = (command, deliveryId) => execute(house.desk, actor, command, deliveryId)
    await house.work()
    return await runDemo({
      screen,
      ask,
      repository,
      isUnattended,
      signal: opening.signal,
      verifyAudit: async () => (await findAuditBreak(house.db, house.anchors)) === null,
      exportDocuments: (handle) => exportDocuments(ask, handle, stateDir),
    })
  } finally {
    await house.close()
  }
}

/** The bundled example as a repository with one commit, made anew each time. */
async function exampleRepository(stateDir: string, { config, signal }: Opening): Promise<string> {
  const folder = join(stateDir, 'parcel-desk')
  await copyFolder(join(programDir, 'examples', 'parcel-desk'), folder)
  const identity = ['-c', 'user.name=Example', '-c', 'user.email=example@localhost', '-c', 'core.hooksPath=/dev/null']
  const at = '2026-01-15T09:00:00Z'
  const env = {
    PATH: config.path,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_DATE: at,
    GIT_COMMITTER_DATE: at,
  }
  for (const args of [
    ['init', '--quiet', '--initial-branch=main'],
    ['add', '--all'],
    ['commit', '--quiet', '--message', 'The parcel desk, as its README says'],
  ]) {
    const done = await runProcess({
      command: 'git',
      args: [...identity, ...args],
      cwd: folder,
      env,
      timeoutMs: 20_000,
      maxOutputBytes: 100_000,
      signal,
    })
    assert(done.exitCode === 0, `git ${args[0]} failed: ${done.stderr}`)
  }
  return folder
}

/** The documents as plain files, where a newcomer can open them; answers with the first to read. */
async function exportDocuments(ask: Ask, handle: string, stateDir: string): Promise<string> {
  const files: { path: string; text: string }[] = []
  for (const { path } of documentSuite) {
    const reply = await ask({ kind: 'artifacts', run: handle, name: path }, '')
    if (reply.ok && reply.value.kind === 'file') files.push({ path, text: reply.value.text })
  }
  await mkdir(stateDir, { recursive: true })
  await writeFiles(stateDir, files)
  return relative(process.cwd(), join(stateDir, 'docs', 'ANCHOR.md'))
}
