import { dollars } from '../../../core/model/amount.ts'
import { counted } from '../../../core/model/counted.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { Policy } from '../policy.ts'
import { gatePolicy, pinnedPolicy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import { sayReversals } from '../reversals.ts'
import { isSensitive } from './paths.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  judgement,
  type Milestone,
  type MilestonePorts,
  offered,
  type Reviewed,
  reviewJudgement,
  testJudgement,
} from './shapes.ts'

/** Shows the change to people, where policy, its tests or its own lines want that; the first milestone is always shown. */
export const showChange = ({ codeHost }: MilestonePorts): StepKind => ({
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const output = await ctx.outputOf(idOf(milestone.id, 'checks'), judgement)
    const { commit, pullRequest } = await ctx.outputOf(idOf(milestone.id, 'publish'), offered)
    const policy = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
    const { reviewed } = await ctx.outputOf(idOf(milestone.id, 'review'), reviewJudgement)
    // Nobody has seen this change pass: it goes nowhere unasked.
    const { fails } = await ctx.outputOf(idOf(milestone.id, 'test'), testJudgement)
    const bugs = sayFound(milestone, reviewed, codeHost?.serves(made.base.address) === true)
    const shown = { milestone, made, output, commit, bugs, pullRequest: pullRequest?.url ?? null }
    return {
      kind: 'done',
      output: null,
      verdict: fails || mustAsk(policy, milestone, made) ? 'ask' : 'go',
      subject: await subjectOf(ctx, shown),
      policy: gatePolicy(policy, gateNameIn(policy, milestone)),
    }
  },
})

/** In quantapilot.yml, where names of gates are small: `m-002`; `milestone` is every milestone's that has none of its own. */
const gateNameIn = ({ settings }: Policy, { id }: Milestone): string => {
  const own = id.toLowerCase()
  return settings.policies.gates[own] ? own : 'milestone'
}

const mustAsk = (policy: Policy, milestone: Milestone, { files }: Change): boolean =>
  milestone.id === 'M-001' ||
  policy.settings.policies.gates[gateNameIn(policy, milestone)] !== undefined ||
  files.some(({ path }) => isSensitive(path))

type Shown = {
  readonly milestone: Milestone
  readonly made: Change
  readonly output: Judgement
  readonly commit: string
  readonly bugs: readonly string[]
  readonly pullRequest: string | null
}

async function subjectOf(ctx: StepContext, { milestone, made, output, commit, bugs, pullRequest }: Shown) {
  const { base, files, patch, agent, calls } = made
  const added = files.reduce((sum, file) => sum + file.added, 0)
  const removed = files.reduce((sum, file) => sum + file.removed, 0)
  const spent = await ctx.spent()
  const names = files.map(({ path }) => path)
  const listed = names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ')
  return {
    artifact: patch,
    what: `${milestone.id} ${milestone.title}: ${counted(files.length, 'file')} (+${added} −${removed}) into ${base.branch}, commit ${commit.slice(0, 12)}`,
    risks: output.risks,
    questions: [],
    changes: await changedSince(ctx, milestone, made),
    facts: [
      listed,
      ...output.facts,
      ...bugs,
      `${agent}, ${counted(calls, 'call')}, cost ${dollars(spent.micros)} so far`,
      ...(pullRequest === null ? [] : [pullRequest]),
      `undo: ${sayReversals({ hasPullRequest: pullRequest !== null, hasCheck: false })}; last good commit ${base.commit.slice(0, 12)} tagged`,
    ],
  }
}

/** The bugs that a yes makes issues of, by their titles; where there is nowhere to open them, where they stand. */
function sayFound({ id }: Milestone, reviewed: Reviewed | null, canOpen: boolean): readonly string[] {
  const titles = reviewed?.bugs.map(({ title }) => `“${title}”`) ?? []
  if (titles.length === 0) return []
  const listed = titles.join(', ')
  return [
    canOpen
      ? `opens ${counted(titles.length, 'issue')}: ${listed}`
      : `notes ${counted(titles.length, 'bug')} in ${id}/bugs.md: ${listed}`,
  ]
}

/** What is new since a gate last showed this milestone. */
async function changedSince(ctx: StepContext, { id }: Milestone, made: Change): Promise<string[]> {
  const shown = (await ctx.decisions()).findLast(({ gate }) => gate === id)
  if (!shown) return []
  if (shown.sha256 === made.patch.sha256) return [`the same lines, on ${made.base.branch} as it is now`]
  const [before, after] = await Promise.all([ctx.read({ sha256: shown.sha256 }), ctx.read(made.patch)])
  const lines = (bytes: Uint8Array): string[] =>
    new TextDecoder()
      .decode(bytes)
      .split('\n')
      .filter((line) => /^[+-](?!\+\+|--)/.test(line))
  const [old, fresh] = [new Set(lines(before)), new Set(lines(after))]
  const gone = [...old].filter((line) => !fresh.has(line)).map((line) => `no longer ${line}`)
  const come = [...fresh].filter((line) => !old.has(line)).map((line) => `now ${line}`)
  return [...come, ...gone].slice(0, 12)
}
