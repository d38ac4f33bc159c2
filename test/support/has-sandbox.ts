import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBubblewrap } from '../../adapters/bubblewrap/sandbox.ts'

/** What to install where no sandbox works; null where one does. */
export async function whyNoSandbox(): Promise<string | null> {
  const stateDir = await mkdtemp(join(tmpdir(), 'sandbox-probe-'))
  try {
    return await createBubblewrap({ stateDir, path: '/usr/local/bin:/usr/bin:/bin' }).missing()
  } finally {
    await rm(stateDir, { recursive: true, force: true })
  }
}

/** Tests of what runs in a sandbox are not run where there is none, which the end of the run says. */
export const hasSandbox = (await whyNoSandbox()) === null
