import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canMakeServices } from './services.ts'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'

/** Says at the end of a run what was not shown about the sandbox, where the host lacks it: those tests did not run. */
export async function setup(): Promise<() => void> {
  const probe = createBubblewrap({ stateDir: join(tmpdir(), 'sandbox-probe'), path: '/usr/local/bin:/usr/bin:/bin' })
  const missing = await probe.missing()
  return () => {
    if (missing !== null) process.stdout.write(`\nsandbox: NOT RUN. ${missing}\n`)
    else if (!canMakeServices())
      process.stdout.write(
        '\ncontrol groups of version 2: NOT RUN. They need root on a host that has them; scripts/cgroup2-guest.sh makes one.\n',
      )
  }
}
