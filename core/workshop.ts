/**
 * What pipelines that change code may ask of the world, besides `core/ports.ts`: places to work, a sandbox, agents, and
 * the way to a default branch. Every method throws `Fault` when the world fails and never retries by itself.
 */

import type { Amount } from './model/amount.ts'
import type { AuthorDesk, AuthorRequest, CommitRequest, PromptRef, Snapshot } from './ports.ts'

/** Files of a commit as a plain tree, without any git metadata, where programs in the sandbox work on them. */
export type Workspace = {
  /** Absolute, below our own state folder. */
  readonly folder: string
  readonly snapshot: Snapshot
  /** Folders of the tree, relative: those there were before anything ran. */
  readonly laidOut: ReadonlySet<string>
  /** Folders that are no part of what is changed, whatever is in them. */
  readonly leftOut: ReadonlySet<string>
}

/** What was changed in a workspace, as bytes that can be shown, approved and applied again. */
export type Patch = {
  /** A git patch, binary files included; empty when nothing changed. */
  readonly bytes: Uint8Array
  /** 40 hex digits: the tree that the snapshot's commit and the patch make together. */
  readonly tree: string
  readonly files: readonly PatchFile[]
}

/** A patch as it was taken out of a folder where programs have worked. */
export type TakenPatch = Patch & {
  /** What stands there and is no part of it, a sentence each with untrusted text: links, devices, names that no repository may have. */
  readonly untaken: readonly string[]
}

export type PatchFile = {
  readonly path: string
  readonly change: 'added' | 'modified' | 'removed'
  /** Lines; 0 for binary files. */
  readonly added: number
  readonly removed: number
}

/** A line that a patch adds, without its end, and to which file. */
export type AddedLine = { readonly path: string; readonly text: string }

/** Lays out trees for agents and takes patches out of them; nothing that an agent wrote is ever run or obeyed by it. */
export interface Workspaces {
  /** The snapshot's files, and `patch` applied to them where there is one, in a folder of its own, however often one is opened under this name. */
  open(
    request: { readonly snapshot: Snapshot; readonly name: string; readonly patch: Uint8Array | null },
    signal: AbortSignal,
  ): Promise<Workspace>
  /** The same workspace, in which every folder that is there now and was not laid out is left out: what an install made. */
  withoutNew(workspace: Workspace): Promise<Workspace>
  /**
   * How the folder differs from the snapshot. Files whose path, kind or size is not taken are as they were there; throws
   * VALIDATION_ERROR where there is too much of everything.
   */
  patch(workspace: Workspace, signal: AbortSignal): Promise<TakenPatch>
  /** Every line that a patch of ours adds; of what git takes for binary, its bytes as lines. */
  added(patch: Uint8Array): Promise<readonly AddedLine[]>
  /** Absent is success. What a process leaves that is killed goes when the next one starts. */
  remove(workspace: Workspace): Promise<void>
}

/** What runs in a sandbox, with what it may see and use. */
export type SandboxOrder = {
  /** Absolute folder on the host, seen inside as `/work`: the only one that can be written, and where the program starts. */
  readonly folder: string
  /** A program and its arguments, never a shell line; the program is absolute inside, or found in the PATH of `env`. */
  readonly command: readonly string[]
  /** All that the program gets of an environment; HOME, PATH and TMPDIR are added where they are missing. */
  readonly env: Readonly<Record<string, string>>
  readonly stdin: Uint8Array | null
  /** Shown inside read-only, besides `/usr`. Both absolute. */
  readonly mounts: readonly { readonly from: string; readonly to: string }[]
  /** The only way out: connections inside to 127.0.0.1:`port` reach this unix socket of the host. Null: none. */
  readonly bridge: { readonly socket: string; readonly port: number } | null
  readonly limits: SandboxLimits
}

export type SandboxLimits = {
  readonly timeoutMs: number
  readonly memoryBytes: number
  readonly processes: number
  /** Of standard output; of errors the last 64 kB are kept. */
  readonly outputBytes: number
  /** Of all that is written outside `/work`: home and temporary files. */
  readonly scratchBytes: number
  /** Of what `/work` may grow to. */
  readonly folderBytes: number
}

export type SandboxResult = {
  /** `exited`: by itself, whatever its code. Else the limit that ended it. */
  readonly ended: 'exited' | 'time' | 'memory' | 'output' | 'disk'
  readonly exitCode: number
  /** Untrusted text. */
  readonly stdout: string
  readonly stderr: string
  readonly durationMs: number
}

/** Runs programs that nobody trusts. Nothing of what it started is left when `run` settles, nor when our process dies. */
export interface Sandbox {
  /** Null when programs can run here; else a sentence with what to install or allow. */
  missing(): Promise<string | null>
  /** Throws PRECONDITION_FAILED where there is no sandbox, and the signal's reason when it is aborted. */
  run(order: SandboxOrder, signal: AbortSignal): Promise<SandboxResult>
}

/** A way to the package hosts under way: a unix socket behind which they, and nothing else, are reached. */
export type PackageLine = {
  readonly socket: string
  /** What was asked for and refused, a sentence each with untrusted text in quotes; the first fifty. */
  refused(): readonly string[]
  /** Ends every connection. */
  close(): Promise<void>
}

/** The hosts that the operator lets packages come from, and nothing that could be sent there but what is in the sandbox. */
export interface PackageHosts {
  /** An HTTP proxy for one install; it ends with the signal too. */
  open(signal: AbortSignal): Promise<PackageLine>
}

/** What an agent is asked to do. */
export type AgentTask = {
  /** The files it may change; an agent sees nothing else of the host. */
  readonly folder: string
  /** Whatever is untrusted stands inside marked as data. */
  readonly prompt: string
  /** What the prompt begins with, for the record of each call. */
  readonly promptRef: PromptRef
  /** Null leaves the model to the server. */
  readonly model: string | null
  /** False where another model than that, or the server's first, needs a decision before. */
  readonly mayChange: boolean
  /** What each call is held to; null leaves it to the meter, and to the agent. */
  readonly maxOutputTokens: number | null
  readonly temperature: number | null
  readonly timeoutMs: number
}

/** How an agent ended. That it says it is done proves nothing: what counts are its patch and the tests. */
export type AgentReport = {
  readonly ended: 'finished' | 'failed' | 'time' | 'memory' | 'output' | 'disk'
  /** The last it said, for people; untrusted. */
  readonly said: string
  /** Calls of models, and what they cost by the providers' own count. */
  readonly calls: number
  readonly used: Amount
}

/** A coding agent in a sandbox. Its calls of models go through our meter, which reserves before each and settles after. */
export interface CodingAgent {
  /** Shown to people: `codex`. */
  readonly name: string
  /** The model it asks unless a task names another, as configuration spells it; null: there is none that it can speak to. */
  readonly model: string | null
  /** Whether its calls can be held to the length and the temperature of a task. */
  readonly keepsTerms: boolean
  /** Null when it can work here; else a sentence with what to install. */
  missing(): Promise<string | null>
  /** Changes files in the task's folder. Throws BUDGET_EXCEEDED when a call was refused for money, and ends the agent then. */
  work(task: AgentTask, desk: AuthorDesk): Promise<AgentReport>
}

/** A change to judge, and what it is judged by. All of it is data that nobody vouches for. */
export type ReviewRequest = {
  readonly milestone: {
    readonly id: string
    readonly title: string
    readonly goal: string
    readonly criteria: readonly string[]
  }
  /** A git patch. */
  readonly patch: string
  /** The end of what the project's tests printed, none of which failed; empty where it has none, or lets them fail. */
  readonly testOutput: string
  readonly readme: string
  /** What the project asks of the model that reviews; null leaves it to the server. */
  readonly tuning: AuthorRequest['tuning']
}

/** What a reviewer holds of a change: words of a model, on one line each and of limited length. */
export type Review = {
  /** Who judged, as configuration spells it. */
  readonly by: string
  /** One for each criterion that was asked about, in the same order. */
  readonly criteria: readonly CriterionReview[]
  /** Bugs that do not belong to the milestone, at most five. */
  readonly bugs: readonly Bug[]
  /** What the reviewer was not shown because it was too long, a sentence each. */
  readonly leftOut: readonly string[]
}

export type CriterionReview = {
  readonly verdict: 'met' | 'not_met' | 'cannot_tell'
  readonly why: string
}

export type Bug = {
  readonly title: string
  /** May have several lines. */
  readonly body: string
  /** The file it is in; null where it is in none. */
  readonly path: string | null
}

/** Judges a change by its milestone's criteria. It can send a change back or add words to a card; it never decides. */
export interface Reviewer {
  /** Shown to people: the first model's name. */
  readonly name: string
  /**
   * Answers even where the model's answer cannot be read: then it can tell of no criterion. Throws BUDGET_EXCEEDED where the
   * money does not hold, and what the last model of the chain failed with where none can be had.
   */
  review(request: ReviewRequest, desk: AuthorDesk): Promise<Review>
}

/** What stands beside a commit on its code host: checks and statuses, the newest of each name. */
export type CommitCheck = {
  readonly name: string
  readonly state: 'pending' | 'success' | 'failure'
  /** Where people read more; null when the host gave no address. */
  readonly url: string | null
}

/** What the continuous integration of a code host says. */
export interface CommitChecks {
  /** Everything beside the commit but our own checks; empty when nothing reports there. */
  of(address: string, commit: string, signal: AbortSignal): Promise<readonly CommitCheck[]>
}

/** Takes changes to a default branch. Only commits that people decided about go there. */
export interface Trunk {
  /** Where the branch stands, 40 hex digits. Throws VALIDATION_ERROR when there is none. */
  head(address: string, branch: string, signal: AbortSignal): Promise<string>
  /** One commit of the snapshot and the patch on a branch of ours; made again it is found by its key. Throws FATAL when the tree is another. */
  commitPatch(request: PatchCommit, signal: AbortSignal): Promise<{ readonly commit: string }>
  /** Throws PRECONDITION_FAILED when the base has moved or the branch is not at `sha`, and nothing is changed then. */
  merge(request: TrunkMerge, signal: AbortSignal): Promise<{ readonly commit: string }>
  /** Names a commit; the same name for the same commit again is success. */
  tag(request: TagRequest, signal: AbortSignal): Promise<void>
  /** What taking merges back would change; writes nothing. Throws PRECONDITION_FAILED where a merge is not ours alone. */
  revert(request: RevertRequest, signal: AbortSignal): Promise<Reverted>
  /** Removes a branch of ours, or a tag, that still names the commit. */
  withdraw(request: Withdrawal, signal: AbortSignal): Promise<Withdrawn>
}

export type RevertRequest = {
  /** Where the branch stands now. */
  readonly snapshot: Snapshot
  /** Newest first. `before`: what the branch stood at when this was merged. */
  readonly merges: readonly {
    readonly commit: string
    readonly before: string
    readonly method: TrunkMerge['method']
  }[]
}

export type Reverted =
  /** `left`: the merges of which the branch still holds something; the patch is empty without any. */
  | { readonly kind: 'patch'; readonly patch: Patch; readonly left: readonly string[] }
  /** Others have changed the same lines since: which merge, and where. */
  | { readonly kind: 'conflict'; readonly commit: string; readonly files: readonly string[] }

export type Withdrawal = {
  readonly address: string
  readonly kind: 'branch' | 'tag'
  readonly name: string
  /** What it must name still. */
  readonly commit: string
}

/** `gone`: it was not there; `moved`: it names another commit, and stays. */
export type Withdrawn = 'removed' | 'gone' | 'moved'

export type PatchCommit = Omit<CommitRequest, 'files'> & { readonly patch: Uint8Array; readonly tree: string }

export type TrunkMerge = {
  readonly snapshot: Snapshot
  /** Ours, and the commit of it that was approved. */
  readonly branch: string
  readonly sha: string
  readonly method: 'squash' | 'merge' | 'rebase'
  readonly message: string
  readonly at: string
  readonly key: string
}

export type TagRequest = {
  readonly address: string
  readonly name: string
  readonly commit: string
}

/** One coding agent's command line: where it is found, how it is told what to do. Its folder alone knows the vendor. */
export type AgentProgram = {
  /** As configuration spells it: `codex`. */
  readonly name: string
  /** Said when it is not there, with the install line. */
  readonly whenMissing: string
  /** Names of its executable; the first that is found in the agents' folder or PATH is taken. */
  readonly executables: readonly string[]
  /** Whether it runs only with the files that lie beside its executable. */
  readonly needsFolder: boolean
  /** The interfaces of models it can speak, the preferred one first. */
  readonly speaks: readonly ModelInterface[]
  /** What is run inside the sandbox for one task. Files are written into its home, paths relative to it. */
  command(call: AgentCall): {
    readonly args: readonly string[]
    readonly env: Readonly<Record<string, string>>
    readonly files: readonly { readonly path: string; readonly text: string }[]
    readonly stdin: string | null
  }
  /** The last thing it said, from what it printed; never throws. */
  said(stdout: string): string
}

/** HTTP interfaces of model providers that a meter understands; `cursor` is between Cursor's agent and its own servers. */
export type ModelInterface = 'openai-responses' | 'openai-chat' | 'anthropic-messages' | 'google-generate' | 'cursor'

export type AgentCall = {
  readonly prompt: string
  /** The provider's own name of the model. */
  readonly model: string
  /** Of the meter as it is seen inside, without a trailing slash or version: `http://127.0.0.1:4010`. */
  readonly baseUrl: string
  readonly speaks: ModelInterface
  /** Stands where a key is asked for; the meter puts the real one in its place. */
  readonly dummyKey: string
}

/** A meter under way: a unix socket behind which one model's interface is served. */
export type MeterLine = {
  readonly socket: string
  /** Aborts once the agent has to end: a call was refused for money, or the provider takes no key of ours. Its reason is the Fault. */
  readonly refused: AbortSignal
  /** Aborts once the provider wants no calls for longer than an agent would wait for it. */
  readonly limited: AbortSignal
  /** What went through so far. */
  total(): { readonly calls: number; readonly used: Amount }
  /** Ends what is under way; unknown outcomes stay reserved. */
  close(): Promise<void>
}

/** What the calls of one agent at work are held to, whatever it asks for itself. */
export type CallTerms = {
  /** What its prompt begins with, for the record of each call. */
  readonly prompt: PromptRef | null
  /** Most tokens of output of a call; null leaves it to the meter. */
  readonly maxOutputTokens: number | null
  /** 0 to 1; null leaves it to the agent. A model that refuses one is asked without. */
  readonly temperature: number | null
}

/** Stands between an agent and a provider: holds the key, caps the output, reserves before it forwards, settles after. */
export interface ModelMeter {
  /** As configuration spells it: `openai/gpt-5.5`, and as its provider does: `gpt-5.5`. */
  readonly name: string
  readonly model: string
  /** The interfaces it can be reached by. */
  readonly speaks: readonly ModelInterface[]
  /** False where only the two ends can read what a call asks for. */
  readonly keepsTerms: boolean
  /** Milliseconds until calls are worth making; 0: now. */
  waitMs(): Promise<number>
  open(speaks: ModelInterface, desk: AuthorDesk, terms: CallTerms): Promise<MeterLine>
}
