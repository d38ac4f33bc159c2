import type { Asked } from './fault.ts'
import type { Repository } from './repository.ts'

/** What a token may do, least first: each call names no more than it needs. */
export type Permissions = Readonly<
  Partial<Record<'contents' | 'pull_requests' | 'checks' | 'statuses', 'read' | 'write'>>
>

/** Tokens for one repository at a time. */
export interface Credentials {
  readonly kind: Extract<Asked['as'], 'token' | 'installation'>
  /** Throws a `Fault` that names the permission or the installation that is missing. */
  tokenFor(repository: Repository, permissions: Permissions, signal: AbortSignal): Promise<string>
  /** Asks GitHub whether it knows us; answers with as whom, for people. */
  whoami(signal: AbortSignal): Promise<string>
  /** Takes back every token that is still valid. */
  close(): Promise<void>
}
