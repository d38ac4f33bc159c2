import type { GatePolicy, Plan } from '../../core/model/plan.ts'
import type { Pipeline, StepKind } from '../../core/pipeline.ts'
import { milestoneSteps } from './milestones/steps.ts'
import { documentsBlock } from './milestones/block.ts'
import { withFreshCap } from './fresh-cap.ts'
import { withLimits } from './limits.ts'
import { type FactoryPorts, runCap } from './ports.ts'
import { presentModels } from './models.ts'
import { publishDocuments, removeBranch } from './publish.ts'
import { readRepository } from './read.ts'
import type { FactoryInput } from './shapes.ts'
import { allowedInput } from './shapes.ts'
import { summarize } from './summary.ts'
import { writeAnchor, writeSuite } from './write.ts'

/**
 * README to merged code: reads, writes ANCHOR.md, waits for people, writes the rest, puts it on a branch and into a pull
 * request; where there is an agent, merges the documents and takes each milestone from the agent's work to the default branch.
 */
export const factory = ({
  source,
  author,
  models,
  codeHost,
  workshop,
  serverPolicy,
}: FactoryPorts): Pipeline<FactoryInput> => ({
  name: 'factory',
  version: 1,
  says: 'reads a README, writes the documentation suite, and takes its milestones to merged code',
  input: allowedInput(source),
  plan: (input) => plan(input, workshop !== null),
  lockKey: ({ target, branch, dryRun }) => (dryRun ? null : `factory:${target}#${branch ?? 'default'}`),
  whenLocked: 'queue',
  project: ({ target }) => ({
    address: target,
    name:
      target
        .split(/[/:]/)
        .filter(Boolean)
        .at(-1)
        ?.replace(/\.git$/, '') ?? target,
  }),
  deadlineMs: null,
  cap: runCap,
  steps: limited(withFreshCap({ source, serverPolicy }), {
    read: readRepository({ source, author, models, codeHost, workshop, serverPolicy }),
    models: presentModels,
    anchor: writeAnchor(author),
    suite: writeSuite(author),
    publish: publishDocuments(source, codeHost),
    ...(workshop ? milestoneSteps({ source, author, codeHost, workshop }) : {}),
    summary: summarize,
    'remove-branch': removeBranch(source),
  }),
  cleanUp: { type: 'step', id: 'clean-up', kind: 'remove-branch', title: 'cleaning up' },
})

const limited = (change: (kind: StepKind) => StepKind, kinds: Readonly<Record<string, StepKind>>) =>
  Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, change(withLimits(name, kind))]))

/** Holds until the first step has read the project's own policy, which then takes its place. */
const defaultPolicy: GatePolicy = {
  roles: ['approver', 'admin'],
  quorum: 1,
  selfApproval: true,
  expiresAfterMs: null,
  remindEveryMs: null,
}

/** Each milestone adds its own items once the one before is merged. */
const codePlan: Plan = [
  { type: 'step', id: 'milestones', kind: 'milestones', title: 'planning milestones' },
  ...documentsBlock,
]

function plan({ dryRun }: FactoryInput, goesOnToCode: boolean): Plan {
  const read = { type: 'step', id: 'read', kind: 'read', title: 'reading the repository' } as const
  if (dryRun) return [read]
  return [
    read,
    {
      type: 'gate',
      id: 'start-gate',
      name: 'start',
      title: 'waiting for the start',
      judges: 'read',
      policy: defaultPolicy,
      when: { step: 'read', verdict: ['confirm', 'confirm-model'] },
    },
    {
      type: 'step',
      id: 'models',
      kind: 'models',
      title: 'showing which models are others',
      when: { step: 'read', verdict: ['model', 'confirm-model'] },
    },
    {
      type: 'gate',
      id: 'model-change-gate',
      name: 'model-change',
      title: 'waiting for a decision on other models',
      judges: 'models',
      policy: defaultPolicy,
      when: { step: 'read', verdict: ['model', 'confirm-model'] },
    },
    { type: 'step', id: 'anchor', kind: 'anchor', title: 'writing ANCHOR.md' },
    {
      type: 'gate',
      id: 'anchor-gate',
      name: 'anchor',
      title: 'waiting for a decision on ANCHOR.md',
      judges: 'anchor',
      policy: defaultPolicy,
    },
    { type: 'step', id: 'suite', kind: 'suite', title: 'writing the documents' },
    { type: 'step', id: 'publish', kind: 'publish', title: 'putting them on a branch' },
    ...(goesOnToCode ? codePlan : []),
    { type: 'step', id: 'summary', kind: 'summary', title: 'summing up' },
  ]
}
