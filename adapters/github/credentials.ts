import type { Asked } from './fault.ts'
import type { Repository } from './repository.ts'

/** As GitHub's settings call them. */
const titles = {
  contents: 'Contents',
  pull_requests: 'Pull requests',
  issues: 'Issues',
  checks: 'Checks',
  statuses: 'Commit statuses',
} as const

/** What a token may do: each call names no more than it needs. */
export type Permissions = Readonly<Partial<Record<keyof typeof titles, 'read' | 'write'>>>

/** `Contents: write and Pull requests: read`. */
export const sayPermissions = (permissions: Permissions): string =>
  Object.entries(titles)
    .flatMap(([name, title]) => {
      const level = permissions[name as keyof typeof titles]
      return level === undefined ? [] : [`${title}: ${level}`]
    })
    .join(' and ')

/** Tokens for one repository at a time. */
export interface Credentials {
  readonly kind: Extract<Asked['as'], 'token' | 'installation'>
  /**
   * Good until the signal is aborted: what was made for it is taken back then, unless others hold it still. Throws a
   * `Fault` that names the permission or the installation that is missing.
   */
  tokenFor(repository: Repository, permissions: Permissions, signal: AbortSignal): Promise<string>
  /** GitHub takes this token no longer: it is not handed out again. */
  forget(token: string): void
  /** Asks GitHub whether it knows us; answers with as whom, for people. */
  whoami(signal: AbortSignal): Promise<string>
  /** Takes back every token that is still valid. */
  close(): Promise<void>
}
