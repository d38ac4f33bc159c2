import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { SourceControl } from '../../core/ports.ts'

/** What a factory run is asked to do. */
export const factoryInput = z.object({
  target: z
    .string()
    .min(1, 'Name a repository: a folder or a URL.')
    .max(2_000, 'That is too long for a folder or a URL.')
    // It is written into lines that people and programs read one at a time.
    .refine(
      (target) => !/\p{Cc}/u.test(target),
      'The address holds a line break or another control character: rename the folder, or correct the address.',
    )
    // Checked before anything is stored: what is written down once is copied into backups and logs.
    .refine(
      (target) => !holdsPassword(target),
      'The address holds a password or token: remove it, and use a credential helper or ssh.',
    ),
  branch: z.string().min(1).nullable(),
  dryRun: z.boolean(),
  confirm: z.boolean(),
})

/** `https://token@host`, and `scheme://user:password@host`; a user name alone is how ssh is written. */
const holdsPassword = (target: string): boolean =>
  /^https?:\/\/[^/]*@|^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/@]*@/i.test(target)

export type FactoryInput = z.infer<typeof factoryInput>

/** The same, refused at once where the source would refuse it whatever the network says. */
export const allowedInput = (source: Pick<SourceControl, 'check'>) =>
  factoryInput.superRefine(({ target, branch }, ctx) => {
    if (ctx.issues.length > 0) return
    try {
      source.check({ address: target, branch })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      ctx.addIssue({ code: 'custom', path: ['target'], message: error.message })
    }
  })

export const snapshot = z.object({
  address: z.string(),
  name: z.string(),
  defaultBranch: z.string(),
  branch: z.string(),
  commit: z.string(),
  committedAt: z.string(),
  hasUncommittedChanges: z.boolean(),
})

/** Names as configuration spells them; a document without a model has the built-in author. */
const models = z.object({ arch: z.string(), dev: z.string().nullable(), qa: z.string() })

export type Models = z.infer<typeof models>

const phaseEstimate = z.object({
  name: z.string(),
  lowMicros: z.number(),
  likelyMicros: z.number(),
  highMicros: z.number(),
})

/** What the first step found, pinned for the rest of the run. */
export const readOutput = z.object({
  snapshot,
  readme: z.object({ path: z.string(), sha256: z.string(), sizeBytes: z.number() }),
  owners: z.array(z.string()),
  /** Null when the repository has no quantapilot.yml. */
  settingsSha256: z.string().nullable(),
  /** Null when the server has no policy file of its own. */
  serverPolicySha256: z.string().nullable().default(null),
  author: z.string(),
  /** Who writes code, and with which model; null: nobody does. */
  agent: z.object({ name: z.string(), model: z.string().nullable() }).nullable().default(null),
  /** The model of each role; `dev` is null where nobody writes code. */
  models: models.nullable().default(null),
  /** Those of the last run that succeeded, where they were others and policy wants a decision about that. */
  modelsBefore: models.nullable().default(null),
  /** What the run will cost and take, and the policy that applies, for its card. */
  outlook: z.object({
    lowMicros: z.number(),
    likelyMicros: z.number(),
    highMicros: z.number(),
    seconds: z.number(),
    /** By what the money is for. */
    phases: z.array(phaseEstimate).readonly().default([]),
    /** What the figures come from: `3 earlier runs`. */
    basis: z.string().default(''),
    policy: z.array(z.string()).readonly(),
    /** Wishes of the project that the server does not grant, in sentences. */
    clamped: z.array(z.string()).readonly().default([]),
  }),
  /** Days that the run is kept once it is over, as the project asks; null: the server's default. */
  retentionDays: z.number().nullable().default(null),
  /** Nothing comes after this step: what such a run cost, and which models it would have asked, says nothing about others. */
  isDry: z.boolean().default(false),
})

export type ReadOutput = z.infer<typeof readOutput>

const question = z.object({ id: z.string(), text: z.string(), line: z.number().nullable() })

const document = z.object({ path: z.string(), sha256: z.string(), sizeBytes: z.number() })

/** What an author's step made. */
export const writingOutput = z.object({
  documents: z.array(document),
  requirementCount: z.number(),
  questions: z.array(question),
  risks: z.array(z.string()),
  /** Where the budget made it be written in a cheaper way than usual. */
  economies: z.array(z.string()).default([]),
  /** Errors of the lint that it was let pass with, a line each. */
  unlinted: z.array(z.string()).default([]),
  /** Who wrote it, where that is somebody else than the run's author. */
  insteadOf: z.object({ author: z.string(), why: z.string() }).nullable().default(null),
})

export type WritingOutput = z.infer<typeof writingOutput>

/** The branch as the documents stand on it. */
export const docsBranchResult = z.object({ branch: z.string(), commit: z.string(), created: z.boolean() })

export const pullRequest = z.object({ number: z.number(), url: z.string() })

/** What the outside can see of the documents; the pull request is null where the repository is not on a code host. */
export const publishOutput = docsBranchResult.extend({
  pullRequest: pullRequest.nullable().default(null),
  /** What the branch stands on, where that is not what the first step read. */
  base: snapshot.nullable().default(null),
})
