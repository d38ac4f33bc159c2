import type {
  ArtifactLine,
  CallLine,
  GateCard,
  HeldLine,
  LedgerLine,
  LogLine,
  Money,
  RunCard,
  RunLine,
} from '../model/card.ts'
import type { Role } from '../model/plan.ts'
import { decidingRoles } from '../model/plan.ts'
import type { GateVerdict, PublicEventKind } from '../model/transition.ts'
import type { WebhookLine } from '../model/webhook.ts'
import type { AuditDraft } from '../store/audit.ts'

/** A thing a person can ask for, whatever the surface. `run` is a handle as typed. */
export type Command =
  | {
      readonly kind: 'run'
      /** A folder or a URL. */
      readonly target: string
      readonly branch: string | null
      readonly pipeline: string
      readonly dryRun: boolean
      readonly confirm: boolean
      /** What whoever asks calls this by elsewhere; without it the run makes its own. */
      readonly correlationId?: string
    }
  | { readonly kind: 'status'; readonly run: string | null; readonly page: number }
  | { readonly kind: 'runs'; readonly page: number }
  /** Without a page: the first. */
  | { readonly kind: 'gates'; readonly page?: number }
  | {
      readonly kind: 'approve'
      readonly run: string
      readonly gate: string | null
      readonly sha256: string | null
      /** A word that the gate offers, by which less is granted. */
      readonly option?: string
    }
  | {
      readonly kind: 'reject'
      readonly run: string
      readonly gate: string | null
      readonly sha256: string | null
      readonly reason: string
    }
  | {
      readonly kind: 'changes'
      readonly run: string
      readonly gate: string | null
      readonly sha256: string | null
      readonly reason: string
    }
  | { readonly kind: 'pause'; readonly run: string }
  | { readonly kind: 'resume'; readonly run: string }
  | { readonly kind: 'retry'; readonly run: string }
  | { readonly kind: 'cancel'; readonly run: string }
  | {
      readonly kind: 'undo'
      readonly run: string
      /** The first digits of a merged commit: just that merge; null: all that the run did outside. */
      readonly commit: string | null
      /** The pull request whose label asks for it, where it was no person of ours. */
      readonly label?: { readonly address: string; readonly number: number; readonly name: string }
    }
  | {
      readonly kind: 'budget'
      readonly run: string
      readonly raiseMicros: number | null
      /** What a call cost of which nobody knew: its id or the end of it. */
      readonly booked?: { readonly call: string; readonly micros: number }
    }
  | { readonly kind: 'logs'; readonly run: string; readonly page?: number }
  | { readonly kind: 'calls'; readonly run: string; readonly page: number }
  | { readonly kind: 'artifacts'; readonly run: string; readonly name: string | null }
  | { readonly kind: 'diff'; readonly run: string }
  | {
      readonly kind: 'webhook'
      readonly act: 'add'
      readonly address: string
      /** Empty: all of them. */
      readonly events: readonly PublicEventKind[]
    }
  | { readonly kind: 'webhook'; readonly act: 'list' }
  | { readonly kind: 'webhook'; readonly act: 'remove' | 'test'; readonly webhook: string }
  | { readonly kind: 'whoami' }
  /** Without a code: ask for one. */
  | { readonly kind: 'link'; readonly code: string | null }
  | {
      readonly kind: 'actor'
      readonly verb: 'list' | 'add' | 'role'
      /** Whose roles change: a pseudonym or a label; empty otherwise. */
      readonly who: string
      readonly grant: readonly Role[]
      readonly revoke: readonly Role[]
    }
  | Following
  | { readonly kind: 'mail'; readonly act: 'ask'; readonly address: string }
  | { readonly kind: 'mail'; readonly act: 'confirm'; readonly code: string }
  | { readonly kind: 'mail'; readonly act: 'off' }
  /** What one's own mailbox hears of. */
  | { readonly kind: 'mail'; readonly act: 'follow'; readonly follow: Following }
  | { readonly kind: 'freeze'; readonly run: string }
  /** Zero hours end it. */
  | { readonly kind: 'delegate'; readonly who: string; readonly hours: number }
  | {
      readonly kind: 'privacy'
      readonly verb: 'export' | 'erase'
      /** Null: whoever asks. */
      readonly who: string | null
      readonly confirm: boolean
    }
  | {
      readonly kind: 'key'
      readonly verb: 'add' | 'list' | 'revoke'
      /** What a new key is for, or the id of the one to end; empty for a list. */
      readonly name: string
      readonly scopes: readonly Scope[]
    }

/** What a place hears of; without a project: of all of them. */
export type Following =
  | { readonly kind: 'subscribe'; readonly project: string | null; readonly level: 'all' | 'decisions' }
  | { readonly kind: 'unsubscribe'; readonly project: string | null }
  | { readonly kind: 'mute'; readonly project: string | null; readonly hours: number }
  /** `22:00` to `07:00` in a time zone; null takes it back. */
  | { readonly kind: 'quiet'; readonly from: string | null; readonly to: string | null; readonly zone: string }

/** What a program with a key may do, within what its owner may: look, run runs, decide gates. Each includes looking. */
export type Scope = (typeof scopes)[number]

export const scopes = ['read', 'operate', 'decide'] as const

export type CommandKind = Command['kind']

/** What a person hears back; data that each surface words and draws. */
export type Reply =
  | { readonly kind: 'started'; readonly card: RunCard; readonly queuedBehind: string | null }
  | { readonly kind: 'card'; readonly card: RunCard }
  | { readonly kind: 'runs'; readonly runs: readonly RunLine[]; readonly page: number; readonly hasMore: boolean }
  | { readonly kind: 'gates'; readonly gates: readonly GateCard[]; readonly page: number; readonly hasMore: boolean }
  | {
      readonly kind: 'voted'
      readonly gate: string
      /** Null while more votes are needed. */
      readonly verdict: GateVerdict | null
      readonly sha256: string | null
      readonly votes: number
      readonly quorum: number
      readonly card: RunCard
    }
  | {
      readonly kind: 'changed'
      readonly change: 'pause' | 'resume' | 'retry' | 'cancel' | 'freeze'
      readonly card: RunCard
    }
  | {
      readonly kind: 'budget'
      readonly handle: string
      readonly money: Money
      /** What it went into, by step and purpose, the dearest first. */
      readonly ledger: readonly LedgerLine[]
      /** Calls that are over and never said what they cost, the oldest first, twenty at most. */
      readonly held: readonly HeldLine[]
      readonly asked: GateCard | null
    }
  | {
      readonly kind: 'logs'
      readonly handle: string
      readonly lines: readonly LogLine[]
      readonly page: number
      readonly hasMore: boolean
    }
  | {
      readonly kind: 'calls'
      readonly handle: string
      readonly calls: readonly CallLine[]
      readonly page: number
      readonly hasMore: boolean
    }
  | { readonly kind: 'artifacts'; readonly handle: string; readonly artifacts: readonly ArtifactLine[] }
  | { readonly kind: 'file'; readonly name: string; readonly sha256: string; readonly text: string }
  | { readonly kind: 'diff'; readonly handle: string; readonly files: readonly FileDiff[] }
  /** `for`: whose account it will be; null: the first admin's. */
  | { readonly kind: 'link_code'; readonly code: string; readonly expiresAt: Date | null; readonly for: string | null }
  | { readonly kind: 'linked'; readonly roles: readonly Role[] }
  | { readonly kind: 'delegated'; readonly label: string; readonly until: Date | null }
  | { readonly kind: 'people'; readonly people: readonly PersonLine[] }
  | {
      readonly kind: 'following'
      readonly project: string | null
      readonly level: 'all' | 'decisions' | 'nothing'
      readonly mutedUntil: Date | null
    }
  | { readonly kind: 'quiet'; readonly from: string | null; readonly to: string | null; readonly zone: string }
  /** `address` is the one that was named; null where none was. */
  | { readonly kind: 'mailbox'; readonly did: 'asked' | 'confirmed' | 'off'; readonly address: string | null }
  | {
      readonly kind: 'webhooks'
      readonly did: 'add' | 'list' | 'remove' | 'test'
      readonly webhooks: readonly WebhookLine[]
      /** Signs what the endpoint gets; shown when it is added and never again. */
      readonly secret: string | null
    }
  /** The secret is shown here and never again. */
  | { readonly kind: 'key_made'; readonly id: string; readonly label: string; readonly secret: string }
  | { readonly kind: 'key_revoked'; readonly id: string; readonly label: string }
  | { readonly kind: 'keys'; readonly keys: readonly KeyLine[] }
  /** `asked`: nothing happened yet; `before`: there is nothing left to erase. */
  | { readonly kind: 'erasure'; readonly stage: 'asked' | 'done' | 'before'; readonly pseudonym: string }
  | { readonly kind: 'whoami'; readonly label: string; readonly pseudonym: string; readonly roles: readonly Role[] }

export type PersonLine = {
  readonly pseudonym: string
  readonly label: string
  readonly roles: readonly Role[]
  readonly surfaces: readonly string[]
}

export type KeyLine = {
  readonly id: string
  readonly label: string
  readonly scopes: readonly Scope[]
  readonly owner: string
  readonly madeAt: Date
  readonly usedAt: Date | null
  readonly revokedAt: Date | null
}

/** What a change answers: kept for whoever asks the same again, and drawn into a `Reply` as things then stand. */
export type Answer =
  | { readonly kind: 'started'; readonly run: string }
  | ({ readonly run: string } & Omit<Extract<Reply, { kind: 'voted' }>, 'card'>)
  | ({ readonly run: string } & Omit<Extract<Reply, { kind: 'changed' }>, 'card'>)
  /** `asked` is the id of the request for more money, if there was one. */
  | { readonly kind: 'budget'; readonly run: string; readonly asked: string | null }
  /** `id` is the endpoint's; null for the list. */
  | { readonly kind: 'webhook'; readonly did: 'add' | 'list' | 'remove' | 'test'; readonly id: string | null }

/** A change: its answer, what the audit must hold of it, and what is still to be written in the same transaction. */
export type Done = {
  readonly answer: Answer
  readonly audit: readonly AuditDraft[]
  /** Sends its statements at once, so that they travel with those that end the transaction. */
  readonly write?: () => Promise<unknown>
}

/** An artifact against the version of it that a gate showed before; `before` is null at the first. */
export type FileDiff = { readonly name: string; readonly before: string | null; readonly after: string }

/** Which roles may ask for what; any one suffices. A command without a line here does not compile, and an empty line means nobody. */
export const needs: Readonly<Record<CommandKind, readonly Role[] | 'anyone'>> = {
  run: ['operator', 'admin'],
  status: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  runs: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  gates: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  // Deciding needs the gate's own policy as well, read when the button is pressed.
  approve: decidingRoles,
  reject: decidingRoles,
  changes: decidingRoles,
  pause: ['operator', 'admin'],
  resume: ['operator', 'admin'],
  retry: ['operator', 'admin'],
  cancel: ['operator', 'admin'],
  // What it changes on a default branch is decided at a gate, by whoever could let it be merged.
  undo: ['operator', 'admin'],
  budget: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  logs: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  calls: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  artifacts: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  diff: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  whoami: 'anyone',
  link: 'anyone',
  actor: ['admin'],
  subscribe: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  unsubscribe: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  mute: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  quiet: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  mail: ['viewer', 'operator', 'approver', 'admin', 'auditor'],
  // Whoever may decide may also say that a decision was not theirs.
  freeze: ['operator', 'approver', 'admin'],
  delegate: ['operator', 'approver'],
  webhook: ['admin'],
  key: ['admin'],
  // About oneself; for others the command itself asks for a data steward.
  privacy: 'anyone',
}
