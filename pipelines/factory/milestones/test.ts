import type { Outcome } from '../../../core/model/outcome.ts'
import { roundOf } from '../../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../../core/pipeline.ts'
import type { SandboxLimits, SandboxResult } from '../../../core/workshop.ts'
import { pinnedPolicy } from '../policy.ts'
import { readOutput } from '../shapes.ts'
import type { Settings } from '../settings/settings.ts'
import { againUpTo } from './block.ts'
import { keepText } from './plan.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  type Milestone,
  type MilestonePorts,
} from './shapes.ts'

/** Seconds that a project's commands may take together, where quantapilot.yml names no time. */
const defaultTimeoutS = 600

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
    const result = await runCommands(ctx, ports, { milestone, made, settings })
    const output = `${result.stdout}\n${result.stderr}`
    const log = await keepText(ctx, `${milestone.id}/test-${roundOf(ctx.stepId)}.txt`, output, 'text/plain')
    const judgement = judge(made, result, settings)
    if (!judgement.passed) return { ...sendBack(milestone, 'test', judgement), artifacts: [log] }
    return { kind: 'done', output: judgement, artifacts: [log], verdict: 'passed' }
  },
})

/** Why a change is not worth testing. */
function unfit({ patch, refused }: Change): string | null {
  if (patch.sizeBytes === 0) return 'Nothing was changed: the folder holds the same files as before.'
  if (refused.length > 0) return `These files may not be changed: take the change back.\n${refused.join('\n')}`
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

type Trial = { readonly milestone: Milestone; readonly made: Change; readonly settings: Settings }

async function runCommands(
  ctx: StepContext,
  { workshop }: MilestonePorts,
  { milestone, made, settings }: Trial,
): Promise<SandboxResult> {
  const name = `${ctx.handle}-${milestone.id.toLowerCase()}-test`
  const patch = await ctx.read(made.patch)
  const workspace = await workshop.workspaces.open({ snapshot: made.base, name, patch }, ctx.signal)
  try {
    const seconds = settings.steps?.find((step) => step.name === 'test')?.timeout_s ?? defaultTimeoutS
    return await workshop.sandbox.run(
      {
        folder: workspace.folder,
        command: ['sh', '-c', scriptOf(settings)],
        env: { CI: 'true' },
        stdin: null,
        mounts: [],
        bridge: null,
        limits: { ...limits, timeoutMs: seconds * 1_000 },
      },
      ctx.signal,
    )
  } finally {
    await workshop.workspaces.remove(workspace)
  }
}

/** What a script ends with when it finds nothing to run. */
const nothingToRun = 77

/** The project's own commands, from the base branch's quantapilot.yml; where it names no test, what its files usually mean. */
function scriptOf({ stack }: Settings): string {
  const named = ['install', 'build', 'lint', 'test'].flatMap((name) => {
    const command = stack?.[name]
    return typeof command === 'string' ? [`echo '== ${name}'`, command] : []
  })
  const test = typeof stack?.['test'] === 'string' ? [] : [usualTest]
  return ['set -e', ...named, ...test].join('\n')
}

const usualTest = `
echo '== test'
if [ -f package.json ] && grep -q '"test"[[:space:]]*:' package.json; then npm test
elif [ -f Makefile ] && grep -q '^test:' Makefile; then make test
elif [ -f go.mod ]; then go test ./...
elif [ -f Cargo.toml ]; then cargo test --offline
elif ls test_*.py tests/*.py test/*.py >/dev/null 2>&1; then python3 -m unittest discover
else exit ${nothingToRun}
fi`

function judge(made: Change, result: SandboxResult, { gates }: Settings): Judgement {
  const { ended, exitCode, durationMs } = result
  const took = `${(durationMs / 1_000).toFixed(1)} s`
  if (ended !== 'exited') return judged(made, `The tests were ended: ${limitWords[ended]}.\n\n${tailOf(result)}`)
  if (exitCode === 0)
    return {
      patch: made.patch.sha256,
      passed: true,
      report: tailOf(result),
      facts: [`tests passed in ${took}`],
      risks: [],
    }
  if (exitCode === nothingToRun && gates?.tests_required === false)
    return { patch: made.patch.sha256, passed: true, report: '', facts: [], risks: ['There are no tests to run.'] }
  if (exitCode === nothingToRun)
    return judged(
      made,
      'There are no tests to run: add tests that run with npm test, make test, or the language’s own.',
    )
  return judged(made, `The project’s commands ended with ${exitCode}.\n\n${tailOf(result)}`)
}

const limitWords = {
  time: 'they took longer than they may (steps: test, timeout_s in quantapilot.yml)',
  memory: 'they used too much memory',
  output: 'they printed too much',
  disk: 'they wrote too much',
} as const

/** As much as helps an agent to find the cause; the whole is an artifact. */
const tailBytes = 8_000

const tailOf = ({ stdout, stderr }: SandboxResult): string => `${stdout}\n${stderr}`.trim().slice(-tailBytes)
