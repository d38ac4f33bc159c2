import { z } from 'zod'
import { Fault } from '../../core/model/problem.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import type { PastEffect, TakenBack } from '../../core/model/undo.ts'
import type { Withdrawal } from '../../core/workshop.ts'
import {
  branchEffect,
  mergeOutput,
  pullRequestEffect,
  revertOutput,
  sayEffect,
  tagEffect,
  type UndoPorts,
  undoInput,
} from './shapes.ts'

const stepInput = z.object({ key: z.string() })

type Result = Omit<TakenBack, 'what'>

/** Takes one effect back, and marks it where nothing is left of it. */
export const takeBack = (ports: UndoPorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { undoes } = undoInput.parse(ctx.input)
    const { key } = stepInput.parse(ctx.stepInput)
    const effect = undoes.effects.find((each) => each.key === key)
    if (!effect) throw new Fault({ code: 'FATAL', message: `There is no effect ${key}.`, retryable: false })
    const result = await resultOf(ctx, ports, effect)
    const isOver = result.outcome !== 'failed' && result.outcome !== 'irreversible'
    if (isOver) await ctx.markUndone(undoes.run, [key])
    return { kind: 'done', output: { takenBack: { what: sayEffect(effect), ...result } } }
  },
})

async function resultOf(ctx: StepContext, ports: UndoPorts, effect: PastEffect): Promise<Result> {
  if (effect.reversal === 'irreversible') return { outcome: 'irreversible', says: effect.undo }
  switch (effect.kind) {
    case 'merge':
      return mergeTaken(ctx, z.object({ commit: z.string() }).parse(effect.result).commit)
    case 'branch': {
      const { target, result } = branchEffect.parse(effect)
      return withdraw(ctx, ports, { kind: 'branch', name: target.branch, address: target.address, ...result })
    }
    case 'tag': {
      const { address, tag, commit } = tagEffect.parse(effect).target
      return withdraw(ctx, ports, { kind: 'tag', name: tag, address, commit })
    }
    case 'pull_request':
      return closed(ctx, ports, effect)
    default:
      return { outcome: 'failed', says: `no program takes this back: ${effect.undo}` }
  }
}

/** What the revert, which is merged by now, has done to this merge. */
async function mergeTaken(ctx: StepContext, commit: string): Promise<Result> {
  const { left, base, refusal } = await ctx.outputOf('revert', revertOutput)
  const merged = await ctx.findOutput('merge', mergeOutput.nullable())
  if (refusal !== null) return { outcome: 'failed', says: refusal }
  if (!left.includes(commit) || !merged) return { outcome: 'was gone', says: `${base.branch} holds nothing of it` }
  return { outcome: 'compensated', says: `by ${merged.commit.slice(0, 12)} on ${merged.into}` }
}

const withdrawn = z.object({ became: z.enum(['removed', 'gone', 'moved']) })

async function withdraw(ctx: StepContext, { trunk }: UndoPorts, order: Withdrawal): Promise<Result> {
  const { address, kind, name, commit } = order
  const { became } = await ctx.effect({
    name: 'withdraw',
    kind: `${kind}_removed`,
    target: { address, [kind]: name, commit },
    undo: `git push ${address} ${commit}:refs/${kind === 'branch' ? 'heads' : 'tags'}/${name}`,
    reversal: 'irreversible',
    // Absent is success.
    find: () => Promise.resolve(null),
    make: async () => ({ became: await trunk.withdraw(order, ctx.signal) }),
    result: withdrawn,
  })
  switch (became) {
    case 'removed':
      return { outcome: 'undone', says: `removed at ${commit.slice(0, 12)}` }
    case 'gone':
      return { outcome: 'was gone', says: 'it was not there any more' }
    case 'moved':
      return {
        outcome: 'failed',
        says: `it is not at ${commit.slice(0, 12)} any more: somebody works on it, so it stays`,
      }
  }
}

const ended = z.object({ became: z.enum(['closed', 'gone', 'merged']) })

async function closed(ctx: StepContext, { codeHost }: UndoPorts, effect: PastEffect): Promise<Result> {
  const { target, result } = pullRequestEffect.parse(effect)
  const { address } = target
  const { number, url } = result
  if (!codeHost?.serves(address)) throw unreached(address)
  const { became } = await ctx.effect({
    name: 'close',
    kind: 'pull_request_closed',
    target: { address, pullRequest: number },
    undo: `open ${url} again`,
    reversal: 'irreversible',
    // One that is closed is found so.
    find: () => Promise.resolve(null),
    make: async () => ({ became: await codeHost.closePullRequest({ address, number }, ctx.signal) }),
    result: ended,
  })
  switch (became) {
    case 'closed':
      return { outcome: 'undone', says: 'closed' }
    case 'gone':
      return { outcome: 'was gone', says: 'it was closed already' }
    case 'merged':
      return { outcome: 'was gone', says: 'it was merged; what a run of ours merged is taken back as that merge' }
  }
}

const unreached = (address: string): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `No code host is set up for ${address}, where a pull request is to be closed: set GITHUB_TOKEN (docs/github.md), then /retry.`,
    retryable: false,
  })
