import { Fault } from '../../core/model/problem.ts'
import { type RunRequest, type RunResult, runProcess } from '../process/run.ts'
import { gitFault } from './git-fault.ts'

/** The only variables of ours that git ever sees. */
export type GitEnvironment = { readonly PATH: string; readonly HOME?: string; readonly SSH_AUTH_SOCK?: string }

/** Somebody else's account that a command runs as, so that what it writes belongs to them. */
export type Owner = { readonly uid: number; readonly gid: number }

export type GitCall = {
  readonly args: readonly string[]
  /** Absolute; null for commands that need no repository. */
  readonly gitDir: string | null
  /** Extra `-c` settings, `key=value`. */
  readonly config?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array
  readonly maxOutputBytes?: number
  readonly owner?: Owner | null
  /** Exit codes besides 0 that are an answer. */
  readonly answers?: readonly number[]
  /** What a failure is said to be about. */
  readonly address: string
}

/** Runs git so that nothing a repository, a host or this machine's settings say can start a program of theirs. */
export interface Git {
  /** Throws a `Fault` in words for the operator when git fails, the signal's reason when it is stopped. */
  run(call: GitCall, signal: AbortSignal): Promise<Buffer>
}

/** Settings from the command line win over those of the repository, which are not ours. */
const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=',
  'core.attributesFile=/dev/null',
  'core.alternateRefsCommand=:',
  'core.askPass=',
  'credential.helper=',
  'protocol.allow=never',
  'gc.auto=0',
  'maintenance.auto=false',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'log.showSignature=false',
  'init.defaultBranch=main',
  // Objects and refs survive a power cut before we say they are there (git 2.36 and newer).
  'core.fsync=committed,reference',
  'core.fsyncMethod=fsync',
]

const environment = {
  LC_ALL: 'C',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  // Set but empty: ask nobody, not even SSH_ASKPASS.
  GIT_ASKPASS: '',
  // Wins over every protocol setting in the processes git starts; a call for a remote names the one scheme it needs.
  GIT_ALLOW_PROTOCOL: 'none',
  // A partial clone must not fetch what it lacks from where its own config says.
  GIT_NO_LAZY_FETCH: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_OPTIONAL_LOCKS: '0',
}

/** Older ones do not know GIT_CONFIG_GLOBAL and would read the settings of the account. */
const oldest = [2, 32] as const
const install = `install git ${oldest.join('.')} or newer`

/** The git of each PATH, whose version is asked for once. */
const recent = new Map<string, Promise<void>>()

export function createGit(options: { readonly env: GitEnvironment; readonly timeoutMs: number }): Git {
  const { PATH } = options.env
  const attempt = async (call: GitCall, signal: AbortSignal): Promise<RunResult> => {
    const asked = recent.get(PATH) ?? requireRecent(options)
    recent.set(PATH, asked)
    await asked.catch((error: unknown) => {
      // Asked again next time: git may have been installed meanwhile.
      recent.delete(PATH)
      throw error
    })
    return await runProcess({ ...programOf(call, options), signal })
  }
  const run = async (call: GitCall, signal: AbortSignal): Promise<Buffer> => {
    const result = await attempt(call, signal)
    if (result.exitCode !== 0 && !call.answers?.includes(result.exitCode)) throw gitFault(result, call.address)
    return result.stdout
  }
  return { run }
}

type GitOptions = Parameters<typeof createGit>[0]

function programOf(call: GitCall, { env, timeoutMs }: GitOptions): RunRequest {
  return {
    command: 'git',
    args: [...argumentsOf(call), ...call.args],
    cwd: '/',
    env: { ...inherited(env, call.owner), ...environment, ...call.env },
    timeoutMs,
    maxOutputBytes: call.maxOutputBytes ?? 64_000_000,
    whenMissing: `git is not installed: ${install}`,
    ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
    ...call.owner,
  }
}

/** Another account gets no home folder: ours is closed to it. */
function inherited(env: GitEnvironment, owner: Owner | null | undefined): Readonly<Record<string, string>> {
  return owner === null || owner === undefined ? env : { PATH: env.PATH }
}

function argumentsOf(call: GitCall): readonly string[] {
  const config = [...settings, ...(call.config ?? [])].flatMap((setting) => ['-c', setting])
  // Without a repository of ours git would look for one around the folder it starts in.
  return [`--git-dir=${call.gitDir ?? '/dev/null'}`, ...config]
}

/** Without anybody's signal: all calls wait for the one answer. */
async function requireRecent(options: GitOptions): Promise<void> {
  const { stdout } = await runProcess(programOf({ args: ['version'], gitDir: null, address: '' }, options))
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(stdout.toString()) ?? []
  if (Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1])) return
  const message = `git ${major}.${minor} is too old: ${install}`
  throw new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false })
}
