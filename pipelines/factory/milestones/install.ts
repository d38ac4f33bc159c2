import { roundOf } from '../../../core/model/plan.ts'
import type { ArtifactRef, Outcome } from '../../../core/model/outcome.ts'
import type { StepContext } from '../../../core/pipeline.ts'
import type { PackageHosts, SandboxLimits, SandboxResult } from '../../../core/workshop.ts'
import type { Settings } from '../settings/settings.ts'
import { installScript, nothingToRun, tailOf } from './commands.ts'
import { keepText } from './plan.ts'
import type { Milestone, MilestonePorts } from './shapes.ts'

/** What came of an install that was tried. */
export type Installed = {
  readonly passed: boolean
  /** What went wrong in a sentence, and the end of what was printed; untrusted. */
  readonly report: string
  readonly log: ArtifactRef
}

export type InstallOrder = {
  readonly folder: string
  readonly settings: Settings
  /** The artifact that the log is kept as, before the round's number: `M-001/install`. */
  readonly log: string
}

const limits: SandboxLimits = {
  timeoutMs: 600_000,
  memoryBytes: 4_000_000_000,
  processes: 512,
  outputBytes: 5_000_000,
  scratchBytes: 1_000_000_000,
  folderBytes: 2_000_000_000,
}

/** Where the package hosts are seen inside. */
const port = 4011
const proxy = `http://127.0.0.1:${port}`

/** As npm, pip, curl and git read it. npm's own names win over what an .npmrc of the repository says. */
const environment = {
  CI: 'true',
  HTTP_PROXY: proxy,
  HTTPS_PROXY: proxy,
  http_proxy: proxy,
  https_proxy: proxy,
  npm_config_proxy: proxy,
  npm_config_https_proxy: proxy,
  npm_config_noproxy: '',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}

/**
 * Brings the packages of a project into its folder, in a sandbox of its own whose one way out are the package hosts. Null
 * where no host is listed, or there is nothing to install.
 */
export async function installPackages(
  ctx: StepContext,
  { workshop }: MilestonePorts,
  order: InstallOrder,
): Promise<Installed | null> {
  const { packages, sandbox } = workshop
  if (packages === null) return null
  const { result, refused } = await through(packages, ctx.signal, (socket) =>
    sandbox.run(
      {
        folder: order.folder,
        command: ['sh', '-c', installScript(order.settings)],
        env: environment,
        stdin: null,
        mounts: [],
        bridge: { socket, port },
        limits,
      },
      ctx.signal,
    ),
  )
  if (isNothing(order.settings, result)) return null
  const text = [...refused, result.stdout, result.stderr].join('\n')
  const kept = await keepText(ctx, order.log, text, 'text/plain')
  // A step that asks is tried again, and its second log is another artifact.
  const log = { ...kept, name: `${order.log}-${roundOf(ctx.stepId)}-${kept.sha256.slice(0, 8)}.txt` }
  return { passed: result.ended === 'exited' && result.exitCode === 0, report: reportOf(result, refused), log }
}

/** A command of the project's own may end with any number. */
const isNothing = ({ stack }: Settings, { ended, exitCode }: SandboxResult): boolean =>
  typeof stack?.['install'] !== 'string' && ended === 'exited' && exitCode === nothingToRun

/** No change is at fault: a person is asked, with the ways on. */
export function askToInstall(ctx: StepContext, { id }: Milestone, { report, log }: Installed): Outcome {
  const first = report.split('\n').slice(0, 2).filter(Boolean).join(' ')
  const message = `The packages of ${id} cannot be installed, and its change is not why. ${first} See ${log.name} in /artifacts ${ctx.handle}. List the hosts they come from in QP_PACKAGE_HOSTS or correct stack.install in quantapilot.yml, then /resume ${ctx.handle}; /cancel ${ctx.handle} stops.`
  return { kind: 'ask', code: 'install', message, artifacts: [log] }
}

async function through(
  packages: PackageHosts,
  signal: AbortSignal,
  work: (socket: string) => Promise<SandboxResult>,
): Promise<{ readonly result: SandboxResult; readonly refused: readonly string[] }> {
  const line = await packages.open(signal)
  try {
    return { result: await work(line.socket), refused: line.refused() }
  } finally {
    await line.close()
  }
}

function reportOf(result: SandboxResult, refused: readonly string[]): string {
  const { ended, exitCode } = result
  const how = ended === 'exited' ? `the install ended with ${exitCode}` : `the install was ended, ${limitWords[ended]}`
  return [`The packages could not be installed: ${how}.`, ...refused.slice(0, 3), '', tailOf(result)].join('\n')
}

const limitWords = {
  time: `because it took longer than ${limits.timeoutMs / 60_000} minutes`,
  memory: 'because it used too much memory',
  output: 'because it printed too much',
  disk: `because it wrote more than ${limits.folderBytes / 1_000_000_000} GB`,
} as const
