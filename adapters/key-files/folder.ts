import { open } from 'node:fs/promises'
import { Fault } from '../../core/model/problem.ts'

/** A name survives a power failure once its folder is on disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What the system says of a file becomes a sentence that says what to do. */
export async function inFolder<T>(path: string, work: (path: string) => Promise<T>): Promise<T> {
  try {
    return await work(path)
  } catch (error) {
    throw isOfSystem(error) ? unusable(path, error) : error
  }
}

/** Forgives this one answer of the system. */
export const unless =
  (code: string) =>
  (error: unknown): undefined => {
    if (isOfSystem(error) && error.code === code) return undefined
    throw error
  }

const isOfSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && 'syscall' in error

const unusable = (path: string, cause: NodeJS.ErrnoException): Fault =>
  cause.code === 'ENOSPC'
    ? new Fault({
        code: 'NO_SPACE',
        message: `There is no disk space left for the key ${path}: free some, then try again.`,
        retryable: false,
        cause,
      })
    : refusal(
        `The keys of personal data cannot be used (${cause.message}): let only this user read and write the folder, or set QP_KEYS_DIR to one that they may.`,
        cause,
      )

/** What only an operator can put right. */
export const refusal = (message: string, cause?: unknown): Fault =>
  new Fault({ code: 'PRECONDITION_FAILED', message, retryable: false, cause })
