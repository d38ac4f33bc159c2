import { existsSync } from 'node:fs'
import { Fault, type FaultCode } from '../../core/model/problem.ts'

/** Says in a sentence why a program could not be started. */
export function spawnFault(
  error: unknown,
  request: { readonly command: string; readonly cwd: string; readonly whenMissing?: string },
): Fault {
  const cause = error instanceof Error ? error : new Error(String(error))
  const code = 'code' in cause ? String(cause.code) : ''
  const fault = (as: FaultCode, message: string, retryable: boolean) =>
    new Fault({ code: as, message, retryable, cause })
  switch (code) {
    case 'ENOENT':
      // The kernel gives the same code for a missing folder to start in.
      if (!existsSync(request.cwd))
        return fault('PRECONDITION_FAILED', `There is no folder ${request.cwd} to start ${request.command} in.`, false)
      return fault('PRECONDITION_FAILED', request.whenMissing ?? `${request.command} is not installed.`, false)
    case 'EACCES':
    case 'EPERM':
      return fault('PRECONDITION_FAILED', `${request.command} may not be run here: check its permissions.`, false)
    case 'ENOSPC':
      return fault('NO_SPACE', `There is no space left to start ${request.command}: free some disk space.`, false)
    case 'E2BIG':
      return fault('VALIDATION_ERROR', `The arguments for ${request.command} are too long.`, false)
    case 'EAGAIN':
    case 'ENOMEM':
    case 'EMFILE':
    case 'ENFILE':
      return fault(
        'TOOL_FAILURE',
        `The machine is out of processes, memory or files to start ${request.command}.`,
        true,
      )
    default:
      return fault('TOOL_FAILURE', `${request.command} could not be started: ${cause.message}.`, false)
  }
}
