import type { z } from 'zod'
import type { Outcome } from '../../../core/model/outcome.ts'
import { roundOf } from '../../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { SandboxLimits, SandboxResult } from '../../../core/workshop.ts'
import { pinnedPolicy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import type { Settings } from '../settings/settings.ts'
import { againUpTo } from './block.ts'
import { nothingToRun, tailOf, testScript } from './commands.ts'
import { askToInstall, type Installed, installPackages } from './install.ts'
import { isManifest } from './paths.ts'
import { keepText } from './plan.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  type Milestone,
  type MilestonePorts,
  type testJudgement,
} from './shapes.ts'

/** What a project's commands may take together, where quantapilot.yml names no time. */
export const commandsTimeoutMs = 600_000

const limits: Omit<SandboxLimits, 'timeoutMs'> = {
  memoryBytes: 2_000_000_000,
  processes: 512,
  outputBytes: 5_000_000,
  scratchBytes: 512_000_000,
  folderBytes: 2_000_000_000,
}

/** Runs the project's own commands on the change, in a fresh sandbox without network. */
export const testChange = (ports: MilestonePorts): StepKind => ({
  timeoutMs: 3_600_000,
  retry: 'io',
  onPause: 'abort',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const early = unfit(made)
    if (early !== null) return sendBack(milestone, 'test', judged(made, early))
    const { settings } = await pinnedPolicy(ctx, await ctx.outputOf('read', readOutput))
    const trial: Trial = { ctx, ports, milestone, made, settings }
    const { installed, result } = await tryOut(trial)
    const logs = installed === null ? [] : [installed.log]
    if (result === null) return await notInstalled(trial, installed)
    const output = `${result.stdout}\n${result.stderr}`
    const log = await keepText(ctx, `${milestone.id}/test-${roundOf(ctx.stepId)}.txt`, output, 'text/plain')
    const judgement = judge(trial, result, log.name)
    if (!judgement.passed) return { ...sendBack(milestone, 'test', judgement), artifacts: [...logs, log] }
    return { kind: 'done', output: judgement, artifacts: [...logs, log], verdict: 'passed' }
  },
})

/** Why a change is not worth testing. */
function unfit({ patch, refused }: Change): string | null {
  if (refused.length > 0) return `This may not be part of the change: take it back.\n${refused.join('\n')}`
  if (patch.sizeBytes === 0) return 'Nothing was changed: the folder holds the same files as before.'
  return null
}

const judged = ({ patch }: Change, report: string): Judgement => ({
  patch: patch.sha256,
  passed: false,
  report,
  facts: [],
  risks: [],
})

/** The report goes back to the agent, which tries again. */
export function sendBack(
  { id }: Milestone,
  from: 'test' | 'review' | 'checks',
  output: Judgement,
): Extract<Outcome, { kind: 'done' }> {
  return { kind: 'done', output, verdict: 'failed', extend: againUpTo(id, from) }
}

type Trial = {
  readonly ctx: StepContext
  readonly ports: MilestonePorts
  readonly milestone: Milestone
  readonly made: Change
  readonly settings: Settings
}

type Tried =
  | { readonly installed: Installed | null; readonly result: SandboxResult }
  | { readonly installed: Installed; readonly result: null }

/** Packages first, where hosts are listed for them; then the commands, in another sandbox that reaches nothing. */
async function tryOut(trial: Trial): Promise<Tried> {
  const { ctx, ports, milestone, made, settings } = trial
  const patch = await ctx.read(made.patch)
  return await inWorkspace(trial, { name: 'test', patch }, async (folder) => {
    const order = { folder, settings, log: `${milestone.id}/install` }
    const installed = await installPackages(ctx, ports, order)
    if (installed?.passed === false) return { installed, result: null }
    return { installed, result: await runCommands(trial, folder, testScript(settings, installed !== null)) }
  })
}

async function inWorkspace<T>(
  { ctx, ports, milestone, made }: Trial,
  asked: { readonly name: string; readonly patch: Uint8Array | null },
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const { workspaces } = ports.workshop
  const name = `${ctx.handle}-${milestone.id.toLowerCase()}-${asked.name}`
  const workspace = await workspaces.open({ snapshot: made.base, name, patch: asked.patch }, ctx.signal)
  try {
    return await work(workspace.folder)
  } finally {
    await workspaces.remove(workspace)
  }
}

function runCommands({ ctx, ports, settings }: Trial, folder: string, script: string): Promise<SandboxResult> {
  const seconds = settings.steps?.find((step) => step.name === 'test')?.timeout_s
  const timeoutMs = seconds === undefined ? commandsTimeoutMs : seconds * 1_000
  const order = { folder, command: ['sh', '-c', script], env: { CI: 'true' }, stdin: null, mounts: [], bridge: null }
  return ports.workshop.sandbox.run({ ...order, limits: { ...limits, timeoutMs } }, ctx.signal)
}

/** Back to the agent where its change of what is installed broke it; else a person is asked. */
async function notInstalled(trial: Trial, installed: Installed): Promise<Outcome> {
  const { ctx, ports, milestone, made, settings } = trial
  const isTouched = made.files.some(({ path }) => isManifest(path))
  if (!isTouched) return askToInstall(ctx, milestone, installed)
  const onBase = await inWorkspace(trial, { name: 'base', patch: null }, (folder) =>
    installPackages(ctx, ports, { folder, settings, log: `${milestone.id}/install-base` }),
  )
  if (onBase?.passed === false) return askToInstall(ctx, milestone, onBase)
  return { ...sendBack(milestone, 'test', judged(made, installed.report)), artifacts: [installed.log] }
}

type Tested = z.infer<typeof testJudgement>

/** Where tests need not pass nothing goes back for them: people decide, and are told. */
function judge({ made, settings: { gates } }: Trial, result: SandboxResult, log: string): Tested {
  const why = whyNot(result)
  const { sha256: patch } = made.patch
  if (why === null) {
    const took = `${(result.durationMs / 1_000).toFixed(1)} s`
    return { patch, passed: true, fails: false, report: tailOf(result), facts: [`tests passed in ${took}`], risks: [] }
  }
  const isMissing = result.ended === 'exited' && result.exitCode === nothingToRun
  if (gates?.tests_required === false) {
    const risk = isMissing ? 'There are no tests to run.' : `The tests fail: ${why}. ${log} has what they printed.`
    return { patch, passed: true, fails: !isMissing, report: '', facts: [], risks: [risk] }
  }
  const report = isMissing
    ? 'There are no tests to run: add tests that run with npm test, make test, or the language’s own.'
    : `${why.charAt(0).toUpperCase()}${why.slice(1)}.\n\n${tailOf(result)}`
  return { ...judged(made, report), fails: true }
}

/** Why the tests did not pass, from a small letter on; null: they did. */
function whyNot({ ended, exitCode }: SandboxResult): string | null {
  if (ended !== 'exited') return `the tests were ended: ${limitWords[ended]}`
  return exitCode === 0 ? null : `the project’s commands ended with ${exitCode}`
}

const limitWords = {
  time: 'they took longer than they may (steps: test, timeout_s in quantapilot.yml)',
  memory: 'they used too much memory',
  output: 'they printed too much',
  disk: 'they wrote too much',
} as const
