import { counted } from '../../../core/model/counted.ts'
import { roundOf } from '../../../core/model/plan.ts'
import { Fault } from '../../../core/model/problem.ts'
import type { ArtifactRef, Outcome } from '../../../core/model/outcome.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { Snapshot } from '../../../core/ports.ts'
import type { AgentReport, TakenPatch, Workspace } from '../../../core/workshop.ts'
import { deskFor } from '../desk.ts'
import { pinnedPolicy, type Policy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import { askToInstall, type Installed, installPackages } from './install.ts'
import { isManifest, refusalOf } from './paths.ts'
import { keepText, sayMilestone } from './plan.ts'
import { dataBlock, implementPrompt, implementPromptRef } from './prompt.ts'
import { withSecrets } from './review.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  judgement,
  type Milestone,
  type MilestonePorts,
} from './shapes.ts'

/** Longest an agent may work on one try, where quantapilot.yml names no time. */
export const agentTimeoutMs = 1_800_000

/** Tries after the first that tests, review or checks may send back, where quantapilot.yml names no number. */
const defaultRetries = 2

/** As often the same bytes may come back before a person is asked. */
const sameBytesAllowed = 3

/** Has an agent change the files, and takes a patch out of what it left. */
export const implement = (ports: MilestonePorts): StepKind => ({
  // The agent's own time is shorter; a wait for the engine's would lose what it says of itself.
  timeoutMs: 2 * 3_600_000,
  retry: 'generation',
  onPause: 'abort',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const task = await taskOf(ctx, milestone)
    if (task.failures > task.retries && ctx.resumed?.kind !== 'resumed') return tooOften(ctx, milestone, task)
    const base = await newestBase(ctx, ports)
    const work: Work = { ctx, ports, milestone, task, base }
    return milestone.carry ? await carryOver(work) : await build(work)
  },
})

type Task = {
  readonly policy: Policy
  readonly previous: Change | null
  /** What sent the previous change back; null when nothing did. */
  readonly report: string | null
  readonly comments: readonly string[]
  readonly failures: number
  readonly retries: number
}

type Work = {
  readonly ctx: StepContext
  readonly ports: MilestonePorts
  readonly milestone: Milestone
  readonly task: Task
  readonly base: Snapshot
}

async function taskOf(ctx: StepContext, { id }: Milestone): Promise<Task> {
  const policy = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
  const { settings } = policy
  const previous = await ctx.findOutput(idOf(id, 'implement'), change)
  const report = previous && (await reportOn(ctx, id, previous))
  const decisions = (await ctx.decisions()).filter(
    ({ gate, verdict }) => gate === id && verdict === 'changes_requested',
  )
  const comments = decisions.flatMap(({ comment }) => comment ?? [])
  const step = settings.steps?.find(({ name }) => name === 'impl')
  return {
    policy,
    previous,
    report,
    comments,
    failures: report === null ? 0 : (previous?.failures ?? 0) + 1,
    retries: step?.retries ?? settings.limits?.max_retries ?? defaultRetries,
  }
}

/** What the newest judge of just these bytes said, where it said no. */
async function reportOn(ctx: StepContext, id: string, { patch }: Change): Promise<string | null> {
  for (const judge of ['checks', 'review', 'test'] as const) {
    const said = await ctx.findOutput(idOf(id, judge), judgement)
    if (said?.patch === patch.sha256 && !said.passed) return said.report
  }
  return null
}

function tooOften(ctx: StepContext, { id }: Milestone, { failures, report }: Task): Outcome {
  const first = report?.split('\n')[0] ?? ''
  const message = `${id} was sent back ${failures} times, last because: ${first} See /artifacts ${ctx.handle}; /resume ${ctx.handle} lets the agent try again, /cancel ${ctx.handle} stops.`
  return { kind: 'ask', code: 'attempts', message }
}

async function newestBase(ctx: StepContext, { source }: MilestonePorts): Promise<Snapshot> {
  const { snapshot } = await ctx.outputOf('read', readOutput)
  return await source.snapshot({ address: snapshot.address, branch: snapshot.branch }, ctx.signal)
}

const workspaceName = (ctx: StepContext, { id }: Milestone): string => `${ctx.handle}-${id.toLowerCase()}`

/** The agent goes on from what it made before, where that still fits the base. */
async function build(work: Work): Promise<Outcome> {
  const { ctx, ports, milestone, task } = work
  const { agent } = ports.workshop
  const missing = await agent.missing()
  if (missing !== null) throw new Fault({ code: 'PRECONDITION_FAILED', message: missing, retryable: false })
  const { opened, carried } = await openFor(work)
  const built = await inWorkspace(work, opened, async (): Promise<Built | Installed> => {
    const { workspace, installed, isStuck } = await furnish(work, opened, carried)
    if (installed !== null && isStuck) return installed
    const timeoutS = task.policy.settings.steps?.find(({ name }) => name === 'impl')?.timeout_s
    const dev = task.policy.settings.models?.dev
    const asked = {
      folder: workspace.folder,
      prompt: await promptOf(work, carried, installed),
      promptRef: await implementPromptRef(),
      model: dev?.model ?? null,
      mayChange: task.policy.settings.policies.model_change_requires_gate !== true,
      maxOutputTokens: dev?.max_output_tokens ?? null,
      temperature: dev?.temperature ?? null,
      timeoutMs: timeoutS === undefined ? agentTimeoutMs : timeoutS * 1_000,
    }
    const desk = deskFor(ctx, task.policy, { step: 'impl', milestone: milestone.id })
    const said = await agent.work(asked, desk).catch(async (error: unknown) => {
      // What cannot be kept is done again; why the agent was ended stays what is said.
      await keepUnfinished(work, workspace, carried).catch(() => undefined)
      throw error
    })
    return { made: await takeChange(work, workspace, said), report: said, logs: installed ? [installed.log] : [] }
  })
  if ('passed' in built) return askToInstall(ctx, milestone, built)
  const { made, report, logs } = built
  const said = await keepText(ctx, `${milestone.id}/agent-${roundOf(ctx.stepId)}.txt`, sayReport(report), 'text/plain')
  const isIdle = report.ended === 'failed' && report.calls === 0 && (made.files.length === 0 || made.unchanged > 0)
  const stuck = isIdle
    ? neverBegan(work, report, said.name)
    : made.unchanged + 1 >= sameBytesAllowed && ctx.resumed?.kind !== 'resumed'
      ? noProgress(work, made, said.name)
      : null
  if (stuck !== null) return { kind: 'ask', code: 'no_progress', message: stuck, artifacts: [said, ...logs] }
  return { kind: 'done', output: made, artifacts: [made.patch, said, ...logs] }
}

type Built = { readonly made: Change; readonly report: AgentReport; readonly logs: readonly ArtifactRef[] }

type Furnished = {
  readonly workspace: Workspace
  readonly installed: Installed | null
  /** The packages are missing, and not for a change of what is installed, which the agent could take back. */
  readonly isStuck: boolean
}

/** What the files hold besides the base: the last whole try, or what an earlier try of this round left unfinished. */
type Carried = { readonly change: Change; readonly isUnfinished: boolean }

/** The base with the newest work on it that still fits, else the base alone. */
async function openFor(work: Work): Promise<{ readonly opened: Workspace; readonly carried: Carried | null }> {
  const candidates = [
    { change: await findUnfinished(work), isUnfinished: true },
    { change: work.task.previous, isUnfinished: false },
  ]
  for (const { change: made, isUnfinished } of candidates) {
    const opened = await openWith(work, made)
    if (made && opened) return { opened, carried: { change: made, isUnfinished } }
  }
  return { opened: await openFresh(work), carried: null }
}

/** What a try that was ended early is kept as, in this round and no other. */
const unfinishedName = ({ ctx, milestone }: Work, ending: 'patch' | 'json'): string =>
  `${milestone.id}/unfinished-${roundOf(ctx.stepId)}.${ending}`

async function findUnfinished(work: Work): Promise<Change | null> {
  const { ctx } = work
  const kept = await ctx.latest(unfinishedName(work, 'json'))
  return kept && (change.safeParse(JSON.parse(new TextDecoder().decode(await ctx.read(kept)))).data ?? null)
}

/** Time to take what an agent left that was refused its money; what was told to stop is waited for less long. */
const keepMs = 120_000
const keepOfStoppedMs = 3_000

/** Keeps the files of a try that was ended early for the next one. Nobody tests, publishes or shows them: a whole try has to come of it. */
async function keepUnfinished(work: Work, workspace: Workspace, carried: Carried | null): Promise<void> {
  const { ctx, ports } = work
  const signal = AbortSignal.timeout(ctx.signal.aborted ? keepOfStoppedMs : keepMs)
  const patch = await ports.workshop.workspaces.patch(workspace, signal)
  const made = await changeOf(work, patch, { name: unfinishedName(work, 'patch'), report: null })
  const isNew = carried === null ? made.files.length > 0 : made.patch.sha256 !== carried.change.patch.sha256
  if (!isNew) return
  const secret = withSecrets(await ports.workshop.workspaces.added(patch.bytes))
  const refused = [...made.refused, ...secret.map((path) => `${path}: it holds what looks like a key or password`)]
  const said = JSON.stringify({ ...made, refused })
  await ctx.keep([made.patch, await keepText(ctx, unfinishedName(work, 'json'), said, 'application/json')])
}

/** The base with the change so far, and the packages for both; what their install made is no part of the change. */
async function furnish(work: Work, opened: Workspace, carried: Carried | null): Promise<Furnished> {
  const { ctx, ports, milestone, task } = work
  const order = { folder: opened.folder, settings: task.policy.settings, log: `${milestone.id}/agent-install` }
  const installed = await installPackages(ctx, ports, order)
  if (installed === null) return { workspace: opened, installed, isStuck: false }
  const mayMend = carried?.change.files.some(({ path }) => isManifest(path))
  const workspace = await ports.workshop.workspaces.withoutNew(opened)
  return { workspace, installed, isStuck: !installed.passed && mayMend !== true }
}

/** Nothing of a workspace is left once its work is done, or called off. */
async function inWorkspace<T>(
  { ports }: Work,
  workspace: Workspace,
  work: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  try {
    return await work(workspace)
  } finally {
    await ports.workshop.workspaces.remove(workspace)
  }
}

const openFresh = ({ ctx, ports, milestone, base }: Work): Promise<Workspace> =>
  ports.workshop.workspaces.open({ snapshot: base, name: workspaceName(ctx, milestone), patch: null }, ctx.signal)

/** The base with the change before in it; null where there is none, or where it does not fit any more. */
async function openWith({ ctx, ports, milestone, base }: Work, previous: Change | null): Promise<Workspace | null> {
  if (previous === null) return null
  const asked = { snapshot: base, name: workspaceName(ctx, milestone), patch: await ctx.read(previous.patch) }
  return await ports.workshop.workspaces.open(asked, ctx.signal).catch((error: unknown) => {
    if (!(error instanceof Fault) || error.code !== 'PRECONDITION_FAILED') throw error
    return null
  })
}

const noProgress = ({ ctx, milestone, base }: Work, { unchanged }: Change, said: string): string =>
  `The agent left the same files ${unchanged + 1} times for ${milestone.id}: /artifacts ${ctx.handle} ${said} has its last words. /resume ${ctx.handle} lets it try again, from ${base.branch} as it is then; /cancel ${ctx.handle} stops.`

/** Most of an agent's last words that stand on a card. */
const wordsShown = 160

/** Trying again mends nothing: a file that the sandbox does not show, a wrong argument, a package that is not there. */
function neverBegan({ ctx, ports, milestone }: Work, { said }: AgentReport, name: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  const words = lines.find((line) => /\b(?:error|cannot|not found|no such)\b/iu.test(line)) ?? lines.find(Boolean)
  const why = words === undefined ? '' : `: ${words.slice(0, wordsShown)}`
  return `The agent ${ports.workshop.agent.name} ended with an error before it asked its model anything for ${milestone.id}${why}. /artifacts ${ctx.handle} ${name} has all of it. Correct how it is called, see docs/agents.md, then /resume ${ctx.handle}; /cancel ${ctx.handle} stops.`
}

const whereOf = ({ isUnfinished }: Carried): string =>
  isUnfinished
    ? 'The files hold unfinished work of your own, from a try that was ended early: go on from there.'
    : 'The files hold your last try: go on from there.'

async function promptOf(
  { ctx, milestone, task, base }: Work,
  carried: Carried | null,
  installed: Installed | null,
): Promise<string> {
  const { report, comments } = task
  const refused = carried?.isUnfinished ? carried.change.refused : none
  const readme = await ctx.latest('README.md')
  const blocks = [
    await dataBlock('milestone', sayMilestone(milestone)),
    ...(readme ? [await dataBlock('README', new TextDecoder().decode(await ctx.read(readme)))] : []),
    ...(await Promise.all(comments.map((comment) => dataBlock('a reviewer asks for', comment)))),
    ...(report === null ? [] : [await dataBlock('why your last try was sent back', report)]),
    ...(refused.length === 0 ? [] : [await dataBlock('what may not stay of your unfinished work', refused.join('\n'))]),
  ]
  const where = [
    `The repository is ${base.name}.`,
    ...(carried ? [whereOf(carried)] : []),
    ...(installed?.passed ? ['The packages that it names are installed.'] : []),
  ].join(' ')
  return [implementPrompt.text, where, ...blocks].join('\n\n')
}

const none: readonly string[] = []

/** What is too much to be read out of a folder goes back to whoever left it there. */
function nothingTaken(error: unknown): TakenPatch {
  if (!(error instanceof Fault) || error.code !== 'VALIDATION_ERROR') throw error
  return { bytes: new Uint8Array(), tree: '', files: [], untaken: [error.message] }
}

async function takeChange(work: Work, workspace: Workspace, report: AgentReport | null): Promise<Change> {
  const { ctx, ports, milestone } = work
  const patch = await ports.workshop.workspaces.patch(workspace, ctx.signal).catch(nothingTaken)
  return await changeOf(work, patch, { name: `${milestone.id}.patch`, report })
}

type Taking = { readonly name: string; readonly report: AgentReport | null }

async function changeOf({ ctx, ports, task, base }: Work, patch: TakenPatch, { name, report }: Taking) {
  const kept = await ctx.save(name, patch.bytes, 'text/x-diff')
  const { previous, policy, failures } = task
  const byPolicy = patch.files.flatMap(({ path }) => {
    const why = refusalOf(path, policy.settings.policies)
    return why === null ? [] : [`${path}: ${why}`]
  })
  const refused = [...patch.untaken, ...byPolicy]
  const made: Change = {
    base,
    patch: { name: kept.name, sha256: kept.sha256, sizeBytes: kept.sizeBytes },
    tree: patch.tree,
    files: [...patch.files],
    refused,
    failures,
    unchanged:
      previous !== null && report !== null && previous.patch.sha256 === kept.sha256 ? previous.unchanged + 1 : 0,
    agent: ports.workshop.agent.name,
    calls: (previous?.calls ?? 0) + (report?.calls ?? 0),
  }
  return made
}

/** The change that was tested and shown, on a base that has moved since: tested and shown again, and approved again. */
async function carryOver(work: Work): Promise<Outcome> {
  const { ctx, milestone, task, base } = work
  const { previous } = task
  if (previous === null) throw new Error('nothing to carry over')
  const opened = await openWith(work, previous)
  const made = opened && (await inWorkspace(work, opened, (workspace) => takeChange(work, workspace, null)))
  if (made !== null) return { kind: 'done', output: made, artifacts: [made.patch] }
  // A person said go on, and it still does not fit: the agent makes it again on the new base.
  if (ctx.resumed?.kind === 'resumed') return await build({ ...work, task: { ...task, previous: null } })
  const message = `${milestone.id} does not fit ${base.branch} any more: others changed the same lines (${base.commit.slice(0, 12)}). /resume ${ctx.handle} has the agent make it again on the new base, /cancel ${ctx.handle} stops.`
  return { kind: 'ask', code: 'conflict', message }
}

const sayReport = ({ ended, calls, used, said }: AgentReport): string =>
  `${ended} after ${counted(calls, 'call')} of its model, ${counted(used.tokens, 'token')}\n\n${said}\n`
