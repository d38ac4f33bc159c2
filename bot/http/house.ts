import type { Command, Reply, Scope } from '../../core/commands/command.ts'
import type { Json } from '../../core/model/json.ts'
import type { Result } from '../../core/model/problem.ts'
import type { RunState } from '../../core/model/run.ts'

/** A key that was shown, and what it is good for. */
export type Holder = { readonly keyId: string; readonly label: string; readonly scopes: readonly Scope[] }

/** What a request came to; `isReplay` when it had been answered before and was not done again. */
export type Asked = { readonly result: Result<Reply>; readonly isReplay: boolean }

export type Project = {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly createdAt: Date
}

/** The version, the worst of its checks, and each check, as the originals answered. */
export type Health = {
  readonly version: string
  readonly status: 'pass' | 'warn' | 'fail'
  readonly checks: Readonly<Record<string, { readonly status: string; readonly message: string }>>
}

/** What the API needs of the product. Each may throw a Fault when the database is away. */
export interface Product {
  readonly version: string
  /** Who holds the key of this secret now; null when it is unknown or revoked. Never remembered. */
  identify(secret: string): Promise<Holder | null>
  /** Does what a holder asks, in one transaction, as the key's owner; once per delivery id. */
  ask(holder: Holder, command: Command, deliveryId: string): Promise<Asked>
  /** Puts on record what a holder tried beyond the scopes of the key. */
  deny(holder: Holder, why: string): Promise<void>
  projects(holder: Holder, page: number): Promise<Result<readonly Project[]>>
  /** The handle of the run that a gate belongs to. */
  runOfGate(gateId: string): Promise<string | null>
  /** The stored bytes of an address. */
  bytes(sha256: string): Promise<Uint8Array>
  health(): Promise<Health>
}

/** An event as a network sent it, its signature checked. */
export type Delivery = {
  readonly source: string
  readonly deliveryId: string
  readonly topic: string
  readonly body: Json
  readonly bodySha256: string
  readonly sizeBytes: number
}

/** Headers as they came, names in lower case. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a network's own code answers to a request of that network. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Receive = (headers: Headers, rawBody: Uint8Array) => Promise<Answer>

/** Where networks send events. One that is null is not configured and is not there. */
export type Webhooks = {
  readonly github: {
    verify(headers: Headers, rawBody: Uint8Array): boolean
    /** Resolves when the event is kept; false when it was kept before. */
    keep(delivery: Delivery): Promise<boolean>
  } | null
  readonly telegram: Receive | null
  readonly slack: {
    readonly events: Receive
    readonly commands: Receive
    readonly interactions: Receive
  } | null
}

/** The pages behind links of mails: opening one asks, and only sending its form decides. */
export interface GatePages {
  get(token: string): Promise<Answer>
  post(token: string, form: unknown): Promise<Answer>
}

/** What is told of each request: no address, no header, no body. */
export type HttpLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void

/** What is so by now, for whoever watches. */
export type Figures = {
  readonly runs: Readonly<Partial<Record<RunState, number>>>
  /** How long the run that is queued longest has waited, in seconds. */
  readonly queueAgeSeconds: number
  readonly openGates: number
  readonly outboxWaiting: number
  readonly outboxAgeSeconds: number
  readonly cardsFailing: number
  /** Since this process began, by surface. */
  readonly denials: Readonly<Record<string, number>>
  /** Tries of runs that began within a day, by how they ended. */
  readonly attempts: Readonly<Record<string, number>>
  readonly eventsWaiting: number
  readonly eventsQuarantined: number
  /** Slack apps whose token could not be rotated the last time. */
  readonly slackRotationsFailed: number
  /** Schedules that failed the last time. */
  readonly schedulesFailed: number
}
