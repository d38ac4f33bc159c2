import { Fault } from '../../core/model/problem.ts'

/** Letters, digits and plain punctuation of any script; no control, format, colon, backslash, star or quote characters. */
const component = /^[\p{L}\p{M}\p{N} ._@+(),=~#&'!$%{}[\]-]{1,255}$/u

/** What a case-folding, Windows or Mac file system takes for `.git`: `.GIT`, `.git.`, and the short names `git~1` and `gi7eba~1`. */
const dotGit = /^(?:\.git[. ]*|\.?gi[^/]*~\d+)$/i

/** Whether a path may be read from or written to a repository: relative, NFC, forward slashes, and no `.git` in any disguise. */
export function isSafePath(path: string): boolean {
  return path.length <= 4096 && path === path.normalize('NFC') && path.split('/').every(isSafeComponent)
}

/** Throws VALIDATION_ERROR where `isSafePath` says no. */
export function requireSafePath(path: string): void {
  if (isSafePath(path)) return
  throw new Fault({
    code: 'VALIDATION_ERROR',
    message: `${JSON.stringify(path.slice(0, 200))} is not a path this product reads or writes: use a relative path such as docs/ANCHOR.md.`,
    retryable: false,
  })
}

function isSafeComponent(name: string): boolean {
  return component.test(name) && name !== '.' && name !== '..' && !/[. ]$/.test(name) && !dotGit.test(name)
}
