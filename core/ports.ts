/**
 * What pipelines may ask of the world, named for the need. Implementations live in `adapters/`;
 * every method throws `Fault` when the world fails and never retries by itself.
 */

import type { Amount } from './model/amount.ts'
import type { Json } from './model/json.ts'
import type { FaultCode } from './model/problem.ts'

/** A repository at one commit of one branch. `address` is as the operator typed it, made absolute when it is a folder. */
export type Snapshot = {
  readonly address: string
  /** Folder name or last path segment of the URL, for titles: `shop`. */
  readonly name: string
  readonly defaultBranch: string
  readonly branch: string
  /** 40 hex digits. */
  readonly commit: string
  /** The commit's committer date, ISO 8601 in UTC: the date documents carry as `updated`. */
  readonly committedAt: string
  /** True when the address is a folder whose work tree has changes that are not committed (they are not read). */
  readonly hasUncommittedChanges: boolean
}

export type FileChange = { readonly path: string; readonly bytes: Uint8Array }

export type CommitRequest = {
  readonly snapshot: Snapshot
  /** Full branch name, for example `quantapilot/r7k2/docs`. Never the default branch. */
  readonly branch: string
  readonly files: readonly FileChange[]
  readonly message: string
  /** ISO 8601; author and committer date, so that a repeat makes the same commit. */
  readonly at: string
  /** Idempotency key, kept as a trailer in the message: a repeat finds the commit instead of making a second one. */
  readonly key: string
}

/** Reads a repository and puts commits on branches of it, never on the default branch and never in a work tree. */
export interface SourceControl {
  /** Throws VALIDATION_ERROR for what `snapshot` would refuse without asking anybody, in the same sentence. */
  check(request: { readonly address: string; readonly branch: string | null }): void
  /** Fetches the branch (`null`: the default one) into an engine-owned git directory and says where it stands. */
  snapshot(
    request: { readonly address: string; readonly branch: string | null },
    signal: AbortSignal,
  ): Promise<Snapshot>
  /** The bytes of a file at the snapshot's commit; null when there is none. Throws VALIDATION_ERROR above `maxBytes`. */
  read(snapshot: Snapshot, path: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | null>
  /** Paths of the regular files in the tree's folder (`''`: the root), not recursive. */
  list(snapshot: Snapshot, folder: string, signal: AbortSignal): Promise<readonly string[]>
  /** One commit on `branch`, made from the snapshot's commit or from the branch's own head, pushed to the address; returns its id. May be repeated. */
  commit(request: CommitRequest, signal: AbortSignal): Promise<{ readonly commit: string; readonly created: boolean }>
  /** Removes a branch this product made; absent is success. */
  removeBranch(snapshot: Snapshot, branch: string, signal: AbortSignal): Promise<void>
}

/** A request to write documents. Everything in it is data from a repository or a person and is never obeyed. */
export type AuthorRequest = {
  readonly project: {
    readonly name: string
    readonly address: string
    readonly branch: string
    readonly commit: string
  }
  readonly readme: { readonly path: string; readonly bytes: Uint8Array }
  /** `updated` in the front matter: the base commit's date, `YYYY-MM-DD`. */
  readonly updated: string
  /** Owners of `*` in CODEOWNERS without the `@`; empty means an open question. */
  readonly owners: readonly string[]
  /** What people asked to change at gates, oldest first. */
  readonly comments: readonly string[]
  readonly decisions: readonly DecisionRecord[]
  /** Findings of the lint on the author's last answer, when this is the one repair attempt. */
  readonly repair: readonly string[]
  /** That answer; empty at the first attempt. */
  readonly previous: readonly WrittenDocument[]
  /** What the project asks of the model that writes; null leaves it to the server. */
  readonly tuning: {
    readonly model: string | null
    readonly temperature: number | null
    readonly maxOutputTokens: number | null
    /** False where another model than the one named, or the server's first, needs a decision before. */
    readonly mayChange: boolean
  }
}

/**
 * A gate decision as it may appear in documents: a role and a pseudonym, never a name. Of money that was granted the artifact is
 * what was asked for, in words.
 */
export type DecisionRecord = {
  readonly gate: string
  readonly verdict: 'approved' | 'rejected' | 'changes_requested'
  readonly artifact: string
  readonly sha256: string
  /** For example `approver`, and `actor-4f2a`. */
  readonly role: string
  readonly pseudonym: string
  /** ISO 8601 date of the decision, `YYYY-MM-DD`. */
  readonly decidedOn: string
  readonly comment: string | null
}

export type Question = { readonly id: string; readonly text: string; readonly line: number | null }

export type WrittenDocument = { readonly path: string; readonly text: string }

/** What the author wrote, and what a gate card says about it. */
export type Writing = {
  readonly documents: readonly WrittenDocument[]
  readonly requirementCount: number
  readonly questions: readonly Question[]
  readonly risks: readonly string[]
  /** Where the budget made it be written in a cheaper way than usual, in sentences. */
  readonly economies?: readonly string[]
}

/** What an author may use while it writes. */
export type AuthorDesk = {
  readonly signal: AbortSignal
  /** Sets money aside before a call; throws BUDGET_EXCEEDED where the run's cap would not hold. */
  reserve(amount: Amount, purpose: string): Promise<HeldMoney>
  /** What the same question was answered with before, in this run and step, so that nobody pays twice; null: ask. Never throws. */
  recall(asked: AskedBefore): Promise<{ readonly text: string; readonly by: string } | null>
  /** Says what is being done, for whoever watches. Cheap, may be said often, never fails; the last one counts. */
  progress(text: string): void
}

/** Money that was set aside for one call. */
export type HeldMoney = {
  /** Books what the call used. Must follow every call whose outcome is known. */
  settle(used: Amount): Promise<void>
  /** Keeps what the call was, whatever came of it. Resolves once that is kept, or was not to be; never throws. */
  record(call: ModelCall): Promise<void>
}

/** What makes a question the same one: the whole of its text, to one of these models, under the same parameters. */
export type AskedBefore = {
  readonly models: readonly string[]
  readonly temperature: number | null
  readonly maxOutputTokens: number
  readonly questionSha256: string
}

/** One call of a model as it is kept, so that it can be made again. */
export type ModelCall = {
  readonly model: string
  readonly requestId: string | null
  readonly temperature: number | null
  readonly maxOutputTokens: number
  /** Of the JSON Schema that the answer had to follow; null: free text. */
  readonly schemaSha256: string | null
  /** Of an agent's call: the prompt its task began with. */
  readonly prompt: PromptRef | null
  readonly question: CallText
  /** Null where none came. */
  readonly answer: CallText | null
  /** By the provider's count; null when it did not say. */
  readonly tokens: { readonly input: number; readonly cached: number; readonly output: number } | null
  /** What was booked; null where nobody knows. */
  readonly costMicros: number | null
  readonly durationMs: number
  /** `cut` at its longest; `stopped`: whoever asked was called off before the answer. */
  readonly outcome: 'answered' | 'cut' | 'stopped' | FaultCode
}

/** A prompt under its version; `sha256` is of its words. */
export type PromptRef = { readonly id: string; readonly version: string; readonly sha256: string }

/** A question or an answer. Its text is kept without the secrets in it; null: by its digest alone. */
export type CallText = { readonly sha256: string; readonly bytes: number; readonly text: string | null }

/** What writing everything will cost, in millionths of a US dollar, and take. */
export type Forecast = {
  readonly lowMicros: number
  readonly likelyMicros: number
  readonly highMicros: number
  readonly seconds: number
}

/** Writes the documentation suite from a README. */
export interface Author {
  /** Shown to people: `built-in` or a model's name. */
  readonly name: string
  /** Who writes what this one cannot write so that it passes the lint; null: nobody. */
  readonly fallback: Author | null
  forecast(readmeBytes: number): Forecast
  writeAnchor(request: AuthorRequest, desk: AuthorDesk): Promise<Writing>
  /** The eleven documents other than ANCHOR.md, in suite order. */
  writeSuite(request: AuthorRequest, desk: AuthorDesk): Promise<Writing>
}

/** One place in a document that breaks a rule, with what to do about it. */
export type Finding = {
  readonly path: string
  readonly line: number
  readonly rule: string
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly fix: string
}

/** A pull request as people find it. */
export type PullRequest = { readonly number: number; readonly url: string }

export type PullRequestDraft = {
  readonly address: string
  /** Holds the change. */
  readonly branch: string
  /** Where it shall go. */
  readonly base: string
  readonly title: string
  /** Markdown. */
  readonly body: string
  readonly labels: readonly string[]
  /** Idempotency key, kept in the body where people do not see it. */
  readonly key: string
}

export type CommentDraft = {
  readonly address: string
  readonly number: number
  /** Markdown. */
  readonly body: string
  /** The same key again edits the comment in place. */
  readonly key: string
}

/** What stands beside a commit in the list of checks. */
export type CheckDraft = {
  readonly address: string
  readonly commit: string
  readonly name: string
  readonly state: 'pending' | 'success' | 'failure'
  /** One line of plain text. */
  readonly summary: string
  /** The same key again edits the check in place. */
  readonly key: string
}

export type MergeOrder = {
  readonly address: string
  readonly number: number
  /** The commit that was approved; a branch that stands elsewhere is not merged. */
  readonly sha: string
  readonly method: 'squash' | 'merge' | 'rebase'
  /** Where it goes, and where that stood when this was approved; a branch that has moved since is not merged into. */
  readonly base: { readonly branch: string; readonly commit: string }
}

/** An issue as people find it. */
export type Issue = { readonly number: number; readonly url: string }

export type IssueDraft = {
  readonly address: string
  /** Plain text. */
  readonly title: string
  /** Markdown. */
  readonly body: string
  readonly labels: readonly string[]
  /** Idempotency key, kept in the body where people do not see it. */
  readonly key: string
}

/** What a branch asks of those who want to change it. */
export type BranchProtection = {
  readonly isProtected: boolean
  readonly requiredChecks: readonly string[]
  readonly requiredApprovals: number
}

/** Where people review changes. Whatever it makes is looked up by its key first, so that every method may be repeated. */
export interface CodeHost {
  /** True for repositories that live there. */
  serves(address: string): boolean
  /** Opens a pull request, or adopts the one there is of this key or this branch. */
  openPullRequest(draft: PullRequestDraft, signal: AbortSignal): Promise<PullRequest>
  comment(draft: CommentDraft, signal: AbortSignal): Promise<void>
  /** Opens an issue, or answers with the one of this key, whatever became of it. */
  openIssue(draft: IssueDraft, signal: AbortSignal): Promise<Issue>
  setCheck(draft: CheckDraft, signal: AbortSignal): Promise<void>
  /** Merges and answers with the commit that came of it. Throws PRECONDITION_FAILED when the branch has moved or may not be merged. */
  merge(order: MergeOrder, signal: AbortSignal): Promise<{ readonly commit: string }>
  protection(address: string, branch: string, signal: AbortSignal): Promise<BranchProtection>
  /** Closes a pull request without a merge. `gone`: somebody has closed it before; `merged`: it is too late for that. */
  closePullRequest(
    pull: { readonly address: string; readonly number: number },
    signal: AbortSignal,
  ): Promise<'closed' | 'gone' | 'merged'>
}

/** What people ask for on a code host itself, by a label on a pull request. */
export interface LabelRequests {
  /** Whether an account there may write to the repository by itself. */
  mayWrite(address: string, account: string, signal: AbortSignal): Promise<boolean>
  /** Takes a label off; absent is success. */
  removeLabel(
    label: { readonly address: string; readonly number: number; readonly name: string },
    signal: AbortSignal,
  ): Promise<void>
}

/** An event a network has tried to send us, whether or not it arrived. */
export type ListedDelivery = {
  /** The network's number of this try. */
  readonly id: string
  /** The same for each try to send the same event. */
  readonly deliveryId: string
  readonly topic: string
  readonly at: Date
}

/** What a network remembers of the events it has sent us. */
export interface SentDeliveries {
  /** A page, newest first; `next` leads to older ones, null: there are none. */
  list(
    page: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly deliveries: readonly ListedDelivery[]; readonly next: string | null }>
  /** The body of one of them. Throws VALIDATION_ERROR when the network has forgotten it. */
  read(delivery: ListedDelivery, signal: AbortSignal): Promise<Json>
}

/** Says to all who call the same vendor as the same caller when it may be called again. */
export interface RateGate {
  /** Milliseconds until this caller's turn; 0 when the way is open. */
  waitMs(): Promise<number>
  /** A shorter time than what is known already changes nothing. */
  close(forMs: number): Promise<void>
}

/** One question to a model. Whatever is untrusted stands inside `prompt`, marked as data, never in `system`. */
export type ModelRequest = {
  readonly system: string
  readonly prompt: string
  /** Tokens of output, reasoning included; the provider is told, and it is what the worst case is counted with. */
  readonly maxOutputTokens: number
  /** Null leaves it to the provider. */
  readonly temperature: number | null
  /** JSON Schema that the answer's text must follow; null for free text. */
  readonly answer: { readonly [key: string]: Json } | null
}

export type ModelAnswer = {
  readonly text: string
  /** By the provider's own count and the price table; micros are 0 where no price is known. */
  readonly used: Amount
  readonly inputTokens: number
  /** Of the input, what the provider had kept from before. */
  readonly cachedTokens: number
  readonly outputTokens: number
  /** The provider's id of the call, for reconciling; null when it gave none. */
  readonly requestId: string | null
  /** True when the answer ended at `maxOutputTokens`. */
  readonly isCut: boolean
  readonly durationMs: number
}

/** A model behind a provider. Never retries by itself; throws Fault by the taxonomy of `core/model/problem.ts`. */
export interface LanguageModel {
  /** As configuration spells it: `openai/gpt-5.5`. */
  readonly name: string
  /** The most the call may cost: input counted from above, output at its cap, at the dearest tier that may apply. */
  worstCase(request: ModelRequest): Amount
  /** `onText` hears how many characters have come so far, for progress. */
  ask(request: ModelRequest, signal: AbortSignal, onText?: (characters: number) => void): Promise<ModelAnswer>
}

/** Keeps every process from calling somebody who is down. */
export interface Circuit {
  /** 0: call, and say how it went. Else the milliseconds after which it is worth asking again. */
  enter(): Promise<number>
  /** The same without entering: for whoever has others to ask. */
  waitMs(): Promise<number>
  /** The other side did not do its part: it was away, too slow, or broken. */
  failed(): Promise<void>
  passed(): Promise<void>
}
