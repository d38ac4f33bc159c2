import type { KeyObject } from 'node:crypto'

/** What GitHub knows, but for what git itself holds: branches and commits are the bare repository's. */

export type Token = {
  readonly token: string
  readonly kind: 'personal' | 'installation'
  /** `owner/name`; null: all. */
  readonly repositories: readonly string[] | null
  /** Null: all. */
  readonly permissions: Readonly<Record<string, string>> | null
  readonly expiresAt: number
  revoked: boolean
}

export type Installation = {
  readonly id: number
  readonly account: string
  /** Where the App may act, `owner/name`. */
  readonly repositories: readonly string[]
  readonly permissions: Readonly<Record<string, string>>
  isSuspended: boolean
}

export type App = {
  readonly id: string
  readonly slug: string
  readonly publicKey: KeyObject
  readonly installations: Installation[]
}

export type Pull = {
  readonly number: number
  readonly title: string
  readonly body: string
  readonly head: string
  readonly base: string
  state: 'open' | 'closed'
  merged: boolean
  mergeCommit: string | null
  /** Where the branch stood last. */
  sha: string
  labels: string[]
}

export type Comment = { readonly id: number; readonly number: number; body: string; edits: number }

export type Issue = {
  readonly number: number
  readonly title: string
  readonly body: string
  readonly labels: readonly string[]
  state: 'open' | 'closed'
}

export type CheckRun = {
  readonly id: number
  readonly externalId: string | null
  readonly name: string
  readonly sha: string
  status: string
  conclusion: string | null
  summary: string
}

export type Status = {
  readonly sha: string
  readonly context: string
  readonly state: string
  readonly description: string
}

export type Repository = {
  readonly fullName: string
  /** The bare repository. */
  readonly folder: string
  readonly pulls: Pull[]
  readonly comments: Comment[]
  /** Oldest first; null: the repository has none. */
  issues: Issue[] | null
  readonly checkRuns: CheckRun[]
  /** Newest first. */
  readonly statuses: Status[]
  /** What GitHub says that accounts may do: `admin`, `write`, `read` or `none`. */
  readonly people: Record<string, string>
  requiredChecks: string[]
  /** Of a ruleset on the default branch; null: there is none. */
  requiredApprovals: number | null
}

/** An event that was sent to the App's webhook. */
export type SentDelivery = {
  /** Up to 64 bits. */
  readonly id: string
  readonly guid: string
  readonly event: string
  readonly action: string | null
  readonly deliveredAt: Date
  readonly redelivery: boolean
  /** What we answered; 0: nothing. */
  readonly statusCode: number
  /** Null: GitHub has forgotten it since it was listed. */
  readonly payload: unknown
}

/** Something the outside could see. */
export type LedgerLine = {
  /** `pull.create`, `check.update` … */
  readonly effect: string
  readonly repository: string
  /** The key found in what was sent; null when there was none. */
  readonly key: string | null
  readonly token: string
}

/** What goes wrong, once for each time it is ordered, with the next request that fits. */
export type Mishap = {
  /** For example `POST /repos/olivia/shop/pulls`. */
  readonly on: RegExp
  readonly kind:
    | 'answer dropped'
    | 'connection dropped'
    | 'bad gateway'
    | 'secondary limit'
    | 'primary limit'
    | 'list lags behind'
    | 'no answer'
    | 'moved'
}

/** A secondary limit: `slots` requests in each window of `windowMs`, on the clock of `performance.now()`. */
export type Pace = {
  readonly slots: number
  /** Whole seconds: Retry-After has no others. */
  readonly windowMs: number
  /** Since when the window counts, and what it has let through. */
  since: number
  used: number
  /** Requests in all. */
  calls: number
}

export type State = {
  readonly repositories: Repository[]
  readonly tokens: Token[]
  readonly ledger: LedgerLine[]
  /** Requests so far, `GET /user`. */
  readonly requests: string[]
  readonly mishaps: Mishap[]
  /** How many requests GitHub takes in a while; those beyond it hear until when to wait. Null: as many as come. */
  pace: Pace | null
  /** Oldest first. */
  readonly deliveries: SentDelivery[]
  app: App | null
  /** How far GitHub's clock is ahead of ours. */
  aheadMs: number
  /** Of the tokens it mints. */
  tokenLifeMs: number
  /** Answers with every repository of the installation, whichever were asked for. */
  mintsTooMuch: boolean
  nextId: number
  /** What the world does while a request is on its way. */
  beforeAnswer: (line: string) => Promise<void>
  /** What the world does between the effect of a request and its answer. */
  afterEffect: (line: string) => Promise<void>
}

export const newState = (): State => ({
  repositories: [],
  tokens: [],
  ledger: [],
  requests: [],
  mishaps: [],
  pace: null,
  deliveries: [],
  app: null,
  aheadMs: 0,
  tokenLifeMs: 3_600_000,
  mintsTooMuch: false,
  nextId: 1,
  beforeAnswer: () => Promise.resolve(),
  afterEffect: () => Promise.resolve(),
})

export const nowOf = ({ aheadMs }: State): number => Date.now() + aheadMs

export const nextId = (state: State): number => state.nextId++

/** Null for one that is unknown, revoked or past its time: GitHub tells these apart from nothing. */
export const validToken = (state: State, text: string): Token | null =>
  state.tokens.find(({ token, revoked, expiresAt }) => token === text && !revoked && expiresAt > nowOf(state)) ?? null

export const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

export const mayTouch = ({ repositories }: Token, name: string): boolean =>
  repositories === null || repositories.some((each) => sameName(each, name))

/** `read` is held by whoever may `write`. */
export const mayDo = ({ permissions }: Token, permission: string, level: 'read' | 'write'): boolean =>
  permissions === null || permissions[permission] === level || permissions[permission] === 'write'
