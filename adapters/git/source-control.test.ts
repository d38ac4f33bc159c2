import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sourceControlContract, type Stage } from './source-control.contract.ts'
import { enterRoom, git, makeRepository, optionsIn, startGitHost, visitor } from './source-control.fixtures.ts'
import { createGitSourceControl } from './source-control.ts'
import type { GitSourceControlOptions } from './tools.ts'

const both = (room: string, options: GitSourceControlOptions) => ({
  source: createGitSourceControl(options),
  elsewhere: createGitSourceControl({ ...options, stateDir: join(room, 'state-elsewhere') }),
})

async function folderStage(): Promise<Stage> {
  const room = await enterRoom()
  const repository = await makeRepository(join(room.path, 'shop'))
  return { ...both(room.path, optionsIn(room.path)), address: repository, repository, end: room.leave }
}

async function bare(room: string): Promise<string> {
  const repository = join(room, 'shop.git')
  await makeRepository(join(room, 'seed'))
  await git(room, ['clone', '-q', '--bare', join(room, 'seed'), repository])
  return repository
}

async function httpsStage(): Promise<Stage> {
  const room = await enterRoom()
  const repository = await bare(room.path)
  const host = await startGitHost(room.path)
  const options = {
    ...optionsIn(room.path),
    allowedHosts: ['localhost'],
    caFile: host.caFile,
    credentialFor: () => Promise.resolve(visitor),
  }
  const end = async () => {
    await host.close()
    await room.leave()
  }
  return { ...both(room.path, options), address: `${host.url}/shop.git`, repository, end }
}

/** An ssh that runs the command it is given on this machine, as the far end would. */
async function sshStage(): Promise<Stage> {
  const room = await enterRoom()
  const repository = await bare(room.path)
  const ssh = join(room.path, 'bin', 'ssh')
  await mkdir(join(room.path, 'bin'))
  await writeFile(ssh, '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
  await chmod(ssh, 0o755)
  const { env, ...others } = optionsIn(room.path)
  const path = `${join(room.path, 'bin')}:${env.PATH}`
  const options = { ...others, allowedHosts: ['localhost'], env: { PATH: path } }
  return { ...both(room.path, options), address: `git@localhost:${repository}`, repository, end: room.leave }
}

sourceControlContract('its folder', folderStage)
sourceControlContract('https', httpsStage)
sourceControlContract('ssh', sshStage)
