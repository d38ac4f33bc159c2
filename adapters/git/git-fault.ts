import { Fault, type FaultCode } from '../../core/model/problem.ts'

const rewritten = (address: string): string =>
  `The history of ${address} was rewritten since this run began: start a new run.`

/** Of a commit that was there when the run began. */
export const noSuchCommit = (address: string): Fault =>
  new Fault({ code: 'PRECONDITION_FAILED', message: rewritten(address), retryable: false })

type Reading = {
  readonly when: RegExp
  readonly code: FaultCode
  readonly retryable: boolean
  readonly says: (address: string) => string
}

/** Git's words (LC_ALL=C), those of its helpers, and what they mean. The first that matches counts. */
const readings: readonly Reading[] = [
  {
    when: /No space left on device|Disk quota exceeded/,
    code: 'NO_SPACE',
    retryable: false,
    says: () => 'There is no disk space left for git: free some, then /retry.',
  },
  {
    // Before the readings of a connection that breaks, which is what the other half sees of it.
    when: /(?:failed to read|couldn't read|unable to (?:open|access|read)) [^\n]*: Permission denied/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `The account that runs this may not read all of ${address}: change its permissions, then /retry.`,
  },
  {
    when: /patch does not apply|(?:already exists|does not exist) in index|does not match index|while searching for/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) => `The change does not fit the files of ${address} as they are now.`,
  },
  {
    when: /SSL certificate problem|server certificate verification failed|unable to get local issuer|certificate subject name/i,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `The certificate of ${address} is not trusted: give the file of your company's CA in the settings (QP_GIT_CA_FILE).`,
  },
  {
    when: /Host key verification failed/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) => `The ssh host key of ${address} is not known: connect once by hand with ssh and accept it.`,
  },
  {
    when: /Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|Permission denied \((?:publickey|password|keyboard|gssapi|hostbased)|requested URL returned error: 40[13]/i,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `${address} did not let us in: check the host's token (or ~/.netrc), or the key in the ssh agent, and its rights.`,
  },
  {
    when: /repository '.*' not found|Repository not found|requested URL returned error: 404|does not appear to be a git repository|not a git repository/i,
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (address) =>
      `There is no git repository at ${address}, or it may not be seen: check the address and the access.`,
  },
  {
    when: /unable to update url base from redirection|returned error: 30\d/i,
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (address) => `${address} has moved: open it in a browser and give the new address.`,
  },
  {
    when: /detected dubious ownership/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `${address} belongs to another account, and this git is too old to read it: install git 2.38 or newer.`,
  },
  {
    when: /possible repository corruption|bad (?:tree )?object|missing blob object|unable to read (?:tree|[0-9a-f]{40}$)/m,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `${address} lacks objects of this branch: complete it (a partial clone: git fetch --refetch), then /retry.`,
  },
  {
    when: /object \S+ .*is corrupt|object file \S+ is empty/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `An object of ${address} is damaged or may not be read: see git fsck and the files' permissions, then /retry.`,
  },
  {
    when: /mismatched algorithms|unknown object format/,
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (address) => `${address} uses SHA-256 object names, which are not supported: use a SHA-1 repository.`,
  },
  {
    when: /not our ref|unadvertised object|shallow update not allowed/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: rewritten,
  },
  {
    when: /refs\/heads\/\S+' exists; cannot create|directory file conflict/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) => `A branch of ${address} is named as the beginning of ours: rename it, then /retry.`,
  },
  {
    when: /invalid path|malformed (?:name|path)/i,
    code: 'VALIDATION_ERROR',
    retryable: false,
    says: (address) =>
      `The tree of ${address} has a path that git refuses (such as .git): remove it from the repository.`,
  },
  {
    when: /\.lock': File exists|Another git process/,
    code: 'TOOL_FAILURE',
    retryable: true,
    says: (address) => `Another git process works in ${address}; if none does, delete the lock file named here.`,
  },
  {
    when: /\.lock': (?:Permission denied|Read-only file system)|unable to create directory for/,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `No branch can be made in ${address}: let the account that runs this write below its refs folder, then /retry.`,
  },
  {
    when: /non-fast-forward|fetch first|stale info|cannot lock ref|reference already exists|failed to update ref|incorrect old value/i,
    code: 'TOOL_FAILURE',
    retryable: true,
    says: (address) => `The branch in ${address} moved while we wrote to it: the next try goes on from there.`,
  },
  {
    when: /returned error: 429/,
    code: 'RATE_LIMIT',
    retryable: true,
    says: (address) => `${address} asks us to slow down.`,
  },
  {
    when: /remote rejected|protected branch|hook declined|prohibited|denied to |returned error: 4\d\d/i,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) => `${address} refused the change: allow branches named quantapilot/* in its rules.`,
  },
  {
    when: /timed out|Operation too slow|Timeout/i,
    code: 'UPSTREAM_TIMEOUT',
    retryable: true,
    says: (address) => `${address} did not answer in time.`,
  },
  {
    when: /Could not resolve host|Connection (?:refused|reset|closed)|Failed to connect|Couldn't connect|unreachable|No route to host|early EOF|hung up|RPC failed|unexpected disconnect|Empty reply|returned error: 5\d\d|SSL_|gnutls|Recv failure|Send failure/i,
    code: 'TRANSIENT_NETWORK',
    retryable: true,
    says: (address) => `The connection to ${address} failed.`,
  },
  {
    when: /Permission denied|insufficient permission|unable to create|Read-only file system/i,
    code: 'PRECONDITION_FAILED',
    retryable: false,
    says: (address) =>
      `The account that runs this may not read or write ${address}: change the folder's permissions, then /retry.`,
  },
]

/** What a failed git command means for the operator, with at most one line of git's own words and no secret in it. */
export function gitFault(result: { readonly exitCode: number; readonly stderr: string }, address: string): Fault {
  const reading = readings.find(({ when }) => when.test(result.stderr))
  const words = lastUsefulLine(result.stderr)
  const said = words === '' ? '' : ` (git: ${words})`
  if (reading === undefined) {
    const message = `git failed with exit code ${result.exitCode} on ${address}.${said}`
    return new Fault({ code: 'TOOL_FAILURE', message, retryable: true })
  }
  return new Fault({ code: reading.code, message: reading.says(address) + said, retryable: reading.retryable })
}

/** The last line that begins like a complaint, or else the last one; credentials in URLs and control characters taken out. */
export function lastUsefulLine(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).filter((line) => line.trim() !== '')
  const useful = lines.findLast((line) => /^(?:fatal|error|remote| ! \[)/.test(line) && !generic.test(line))
  return (useful ?? lines.at(-1) ?? '')
    .replace(/\/\/[^/@\s]+@/g, '//***@')
    .replace(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim()
    .slice(0, 300)
}

/** True of every failure, so it explains none. */
const generic = /Could not read from remote repository|failed to push some refs|the remote end hung up unexpectedly/
