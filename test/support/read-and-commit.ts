import { createGitSourceControl } from '../../adapters/git/source-control.ts'

/**
 * A process that reads the repository of its first argument, with its own state in the folder of its second, puts a
 * commit on a branch, and prints the sentence of whatever refused it.
 */
const [address = '', stateDir = ''] = process.argv.slice(2)
const source = createGitSourceControl({
  stateDir,
  allowedSchemes: [],
  allowFolders: true,
  allowedHosts: null,
  env: { PATH: process.env['PATH'] ?? '' },
  gitTimeoutMs: 20_000,
})
const signal = AbortSignal.timeout(20_000)
try {
  const snapshot = await source.snapshot({ address, branch: null }, signal)
  const files = [{ path: 'docs/a.md', bytes: Buffer.from('a') }]
  const at = '2026-01-01T00:00:00Z'
  await source.commit({ snapshot, branch: 'quantapilot/r1/docs', files, message: 'm', at, key: 'k' }, signal)
  process.stdout.write('committed')
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error))
}
