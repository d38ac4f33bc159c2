import { join } from 'node:path'
import { sourceControlContract, type Stage } from './source-control.contract.ts'
import { enterRoom, git, makeRepository, optionsIn, startGitHost, visitor } from './source-control.fixtures.ts'
import { createGitSourceControl, type GitSourceControlOptions } from './source-control.ts'

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

async function fileStage(): Promise<Stage> {
  const room = await enterRoom()
  const repository = await bare(room.path)
  return { ...both(room.path, optionsIn(room.path)), address: `file://${repository}`, repository, end: room.leave }
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

sourceControlContract('its folder', folderStage)
sourceControlContract('a file:// address', fileStage)
sourceControlContract('https', httpsStage)
