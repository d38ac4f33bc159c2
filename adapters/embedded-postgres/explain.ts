import { Fault } from '../../core/model/problem.ts'

/** Turns what PostgreSQL's programs wrote before they gave up into a sentence with a next step. */
export function explain(output: string, logFile: string): Fault {
  if (/No space left on device|Disk quota exceeded/i.test(output)) {
    return fault(
      'NO_SPACE',
      'The disk is full, so the embedded database cannot start: free some space and start again.',
    )
  }
  if (/could not (map|create|resize|reserve).*shared memory|Cannot allocate memory/i.test(output)) {
    return fault(
      'TOOL_FAILURE',
      'The embedded database did not get the memory it needs (about 200 MB): free some, or set DATABASE_URL.',
    )
  }
  if (/Permission denied|Operation not permitted|Read-only file system/i.test(output)) {
    return fault(
      'PRECONDITION_FAILED',
      `The embedded database may not write its files (${lastError(output)}): set QP_STATE_DIR to a folder that this user may write, or set DATABASE_URL.`,
    )
  }
  return fault(
    'TOOL_FAILURE',
    `The embedded database could not start: ${lastError(output)}. See ${logFile}, or set DATABASE_URL.`,
  )
}

/** A file error of the system's as a Fault; the rest, and what is a Fault already, as it was. */
export function explainFileError(error: unknown, dir: string): unknown {
  if (!(error instanceof Error) || error instanceof Fault || !('code' in error)) return error
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return explain('No space left on device', dir)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
      return fault(
        'PRECONDITION_FAILED',
        `The embedded database cannot use ${dir} (${error.message}): set QP_STATE_DIR to a folder that this user may write, or set DATABASE_URL.`,
      )
    default:
      return error
  }
}

const fault = (code: 'NO_SPACE' | 'TOOL_FAILURE' | 'PRECONDITION_FAILED', message: string): Fault =>
  new Fault({ code, message, retryable: false })

/** The last line in which a program said what stopped it, without its own name and time. */
function lastError(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const line = lines.findLast((text) => /FATAL|PANIC|error:/.test(text)) ?? lines.at(-1) ?? 'it wrote no reason'
  return line.replace(/^.*?(FATAL|PANIC|error):\s*/, '').trim()
}
