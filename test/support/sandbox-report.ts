import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'

/** Says at the end of a run that nothing was shown about the sandbox, where there is none: its tests did not run. */
export async function setup(): Promise<() => void> {
  const probe = createBubblewrap({ stateDir: join(tmpdir(), 'sandbox-probe'), path: '/usr/local/bin:/usr/bin:/bin' })
  const missing = await probe.missing()
  return () => {
    if (missing !== null) process.stdout.write(`\nsandbox: NOT RUN. ${missing}\n`)
  }
}
