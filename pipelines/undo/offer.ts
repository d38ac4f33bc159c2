import { z } from 'zod'
import { roundOf } from '../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { mergesOf, offerOutput, pullRequest, revertOutput, type UndoPorts, undoInput } from './shapes.ts'

/** The branch of a revert; each round has one of its own, because it stands on another base. */
const branchOf = (handle: string, round: number): string =>
  `quantapilot/${handle}/undo${round === 1 ? '' : `-${round}`}`

const branchResult = z.object({ branch: z.string(), commit: z.string() })

/** Puts the revert on a branch of ours, and into a pull request where the repository lives on a code host. */
export const offerRevert = ({ source, trunk, codeHost }: UndoPorts): StepKind => ({
  timeoutMs: 300_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { base, patch: saved, tree } = await ctx.outputOf('revert', revertOutput)
    const before = await ctx.findOutput('offer', offerOutput)
    const branch = branchOf(ctx.handle, roundOf(ctx.stepId))
    const { address } = base
    const patch = await ctx.read(saved)
    const request = { snapshot: base, branch, patch, tree, message: await messageOf(ctx), at: base.committedAt }
    const { commit } = await ctx.effect({
      name: 'branch',
      kind: 'branch',
      target: { address, branch },
      undo: `git push ${address} --delete ${branch}`,
      reversal: 'undo',
      // The commit carries its key: making it again finds it.
      find: () => Promise.resolve(null),
      make: async (key) => ({ branch, ...(await trunk.commitPatch({ ...request, key }, ctx.signal)) }),
      result: branchResult,
    })
    // What the round before has shown is out of date.
    if (before && before.branch !== branch) await source.removeBranch(base, before.branch, ctx.signal)
    const opened = codeHost?.serves(address) ? await openRevert(ctx, codeHost, { branch, base }) : null
    return { kind: 'done', output: { branch, commit, pullRequest: opened } }
  },
})

/** Which merges it takes back, where people look for the cause of a line. */
async function messageOf(ctx: StepContext): Promise<string> {
  const { undoes } = undoInput.parse(ctx.input)
  const { left } = await ctx.outputOf('revert', revertOutput)
  const merges = mergesOf(undoes.effects).filter(({ commit }) => left.includes(commit))
  const what = merges.length === 1 ? `${merges[0]?.commit.slice(0, 12)}` : `${merges.length} merges`
  return [
    `revert: ${what} of run ${undoes.handle}`,
    '',
    ...merges.map(({ commit }) => `This reverts commit ${commit}.`),
  ].join('\n')
}

type Offer = { readonly branch: string; readonly base: { readonly address: string; readonly branch: string } }

async function openRevert(ctx: StepContext, codeHost: NonNullable<UndoPorts['codeHost']>, { branch, base }: Offer) {
  const { address } = base
  const [title = '', , ...lines] = (await messageOf(ctx)).split('\n')
  const { patch } = await ctx.outputOf('revert', revertOutput)
  const body = [
    `Run ${ctx.handle} takes back what was merged here. It is merged once somebody has decided at its gate, at exactly this commit.`,
    '',
    ...lines.map((line) => `- ${line}`),
    '',
    `Patch sha256 \`${patch.sha256}\``,
  ].join('\n')
  return await ctx.effect({
    name: 'pull-request',
    kind: 'pull_request',
    target: { address, branch, base: base.branch },
    undo: `close the pull request of ${branch}`,
    reversal: 'undo',
    // Looked up before it is made, by its key and by its branch.
    find: () => Promise.resolve(null),
    make: (key) =>
      codeHost.openPullRequest(
        { address, branch, base: base.branch, title, body, labels: ['type:revert'], key },
        ctx.signal,
      ),
    result: pullRequest,
  })
}

/** Removes what an undo that was stopped has left in the repository; pull requests go with their branches. */
export const removeOffer = ({ source }: UndoPorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const found = await ctx.findOutput('revert', revertOutput)
    const offered = await ctx.findOutput('offer', offerOutput)
    // An effect that was begun and not noted as done may have made its branch: this round's is always looked for.
    const made = (await ctx.effects()).flatMap(({ kind, result }) => {
      const parsed = branchResult.safeParse(result)
      return kind === 'branch' && parsed.success ? [parsed.data.branch] : []
    })
    const round = 1 + (offered ? Number(/-(\d+)$/.exec(offered.branch)?.[1] ?? 1) : 0)
    for (const branch of new Set([...made, branchOf(ctx.handle, round)]))
      if (found) await source.removeBranch(found.base, branch, ctx.signal)
    return { kind: 'done', output: null }
  },
})
