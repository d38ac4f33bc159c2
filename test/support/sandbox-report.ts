import { whyNoSandbox } from './has-sandbox.ts'
import { canMakeServices } from './services.ts'

/** Says at the end of a run what was not shown about the sandbox, where the host lacks it: those tests did not run. */
export async function setup(): Promise<() => void> {
  const missing = await whyNoSandbox()
  return () => {
    if (missing !== null) process.stdout.write(`\nsandbox: NOT RUN. ${missing}\n`)
    else if (!canMakeServices())
      process.stdout.write(
        '\ncontrol groups of version 2: NOT RUN. They need root on a host that has them; scripts/cgroup2-guest.sh makes one.\n',
      )
  }
}
