import { z } from 'zod'
import { roles } from '../../core/model/plan.ts'
import type { PastEffect, TakenBack } from '../../core/model/undo.ts'
import type { CodeHost, LabelRequests, SourceControl } from '../../core/ports.ts'
import type { CommitChecks, Trunk } from '../../core/workshop.ts'

/** What an undo works with. */
export type UndoPorts = {
  readonly source: SourceControl
  readonly trunk: Trunk
  /** Null: branches are all there is. */
  readonly codeHost: CodeHost | null
  /** Null where no code host says what its checks found. */
  readonly checks: CommitChecks | null
  /** Null where nobody can ask for anything by a label. */
  readonly labels: LabelRequests | null
}

const roleNames = z.array(z.enum(roles as [(typeof roles)[number], ...(typeof roles)[number][]]))

const policy = z.object({
  roles: roleNames,
  quorum: z.number(),
  selfApproval: z.boolean(),
  expiresAfterMs: z.number().nullable(),
  remindEveryMs: z.number().nullable(),
  people: z.array(z.string()).optional(),
  escalation: z.object({ afterMs: z.number(), roles: roleNames }).optional(),
  sources: z.object({ file: z.string().nullable(), server: z.string().nullable() }).optional(),
})

const effect = z.object({
  key: z.string(),
  kind: z.string(),
  target: z.json(),
  undo: z.string(),
  reversal: z.enum(['undo', 'compensate', 'irreversible']),
  result: z.json(),
})

/** What the command hands over: the effects to take back, newest first, and who decides at the gate. */
export const undoInput = z.object({
  undoes: z
    .object(
      { run: z.string(), handle: z.string(), policy, effects: z.array(effect) },
      'An undo is started by /undo <run>, which knows what that run has made.',
    )
    .refine(
      ({ effects }) => new Set(mergesOf(effects).map(({ address, into }) => `${into} ${address}`)).size <= 1,
      'This run has merged into several branches: undo one merge at a time, /undo <run> <commit>.',
    ),
  label: z.object({ address: z.string(), number: z.number(), name: z.string() }).nullable().default(null),
})

export type UndoInput = z.infer<typeof undoInput>

const commit = z.object({ commit: z.string() })

const mergeEffect = z.object({
  kind: z.literal('merge'),
  target: z.object({
    address: z.string(),
    into: z.string(),
    before: z.string(),
    method: z.enum(['squash', 'merge', 'rebase']),
  }),
  result: commit,
})

/** The merges among effects, in their order. */
export const mergesOf = (effects: readonly PastEffect[]) =>
  effects.flatMap((each) => {
    const parsed = mergeEffect.safeParse(each)
    return parsed.success ? [{ ...parsed.data.target, ...parsed.data.result }] : []
  })

export const branchEffect = z.object({ target: z.object({ address: z.string(), branch: z.string() }), result: commit })

export const tagEffect = z.object({ target: z.object({ address: z.string(), tag: z.string(), commit: z.string() }) })

export const pullRequest = z.object({ number: z.number(), url: z.string() })

export const pullRequestEffect = z.object({ target: z.object({ address: z.string() }), result: pullRequest })

const snapshot = z.object({
  address: z.string(),
  name: z.string(),
  defaultBranch: z.string(),
  branch: z.string(),
  commit: z.string(),
  committedAt: z.string(),
  hasUncommittedChanges: z.boolean(),
})

const file = z.object({
  path: z.string(),
  change: z.enum(['added', 'modified', 'removed']),
  added: z.number(),
  removed: z.number(),
})

/** What taking the merges back changes on the branch as it is now. */
export const revertOutput = z.object({
  base: snapshot,
  patch: z.object({ name: z.string(), sha256: z.string(), sizeBytes: z.number() }),
  tree: z.string(),
  files: z.array(file),
  /** Merges of which the branch still holds something. */
  left: z.array(z.string()),
  /** Why the merges cannot be taken back by a program; null: they can. */
  refusal: z.string().nullable(),
})

/** The revert as others can see it, before it is merged. */
export const offerOutput = z.object({ branch: z.string(), commit: z.string(), pullRequest: pullRequest.nullable() })

export const mergeOutput = z.object({ commit: z.string(), into: z.string() })

const takenBack: z.ZodType<TakenBack> = z.object({
  what: z.string(),
  outcome: z.enum(['undone', 'compensated', 'was gone', 'irreversible', 'failed']),
  says: z.string(),
})

/** What a step about one effect settled. */
export const takenBackOutput = z.object({ takenBack })

/** An effect in words: `branch quantapilot/r7k2/docs`. */
export function sayEffect({ kind, target, result }: PastEffect): string {
  const { branch, tag, into, name, number } = z
    .object({
      branch: z.string().optional(),
      tag: z.string().optional(),
      into: z.string().optional(),
      name: z.string().optional(),
      number: z.number().optional(),
    })
    .catch({})
    .parse({ ...objectOf(target), ...objectOf(result) })
  const of = number === undefined ? (into ?? tag ?? name ?? branch) : `#${number}`
  const made = commit.safeParse(result)
  const at = kind === 'merge' && made.success ? ` as ${made.data.commit.slice(0, 12)}` : ''
  return `${kind.replaceAll('_', ' ')}${of === undefined ? '' : ` ${kind === 'merge' ? 'into ' : ''}${of}`}${at}`
}

const objectOf = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {})
