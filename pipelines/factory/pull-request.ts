import { documentSuite } from '../../core/model/document-suite.ts'
import type { StepContext } from '../../core/pipeline.ts'
import { z } from 'zod'
import type { CodeHost, DecisionRecord, PullRequest, Snapshot } from '../../core/ports.ts'
import { inert } from './quiet.ts'
import { pullRequest, readOutput, writingOutput } from './shapes.ts'
import { sayAllUnlinted } from './unlinted.ts'

type Published = { readonly snapshot: Snapshot; readonly branch: string; readonly commit: string }

/** Opens the pull request of the documents, and shows beside their commit what was decided about them. */
export async function openDocsPullRequest(
  ctx: StepContext,
  codeHost: CodeHost,
  published: Published,
): Promise<PullRequest> {
  const { snapshot, branch } = published
  const approvals = (await ctx.decisions()).filter(({ verdict }) => verdict === 'approved')
  const draft = {
    address: snapshot.address,
    branch,
    base: snapshot.branch,
    title: `Documentation suite (run ${ctx.handle})`,
    body: await bodyOf(ctx, published, approvals),
    labels: await labelsOf(ctx),
  }
  const opened = await ctx.effect({
    name: 'docs-pull-request',
    kind: 'pull_request',
    target: { address: snapshot.address, branch, base: snapshot.branch },
    undo: `close the pull request of ${branch}`,
    reversal: 'undo',
    // Looked up before it is made, by its key and by its branch: making it again finds it.
    find: () => Promise.resolve(null),
    make: (key) => codeHost.openPullRequest({ ...draft, key }, ctx.signal),
    result: pullRequest,
  })
  const anchor = approvals.findLast(({ gate }) => gate === 'anchor')
  if (anchor) await showDecision(ctx, codeHost, { ...published, decision: anchor })
  return opened
}

/** What kind of change it is and who made it, for those who filter by it. */
async function labelsOf(ctx: StepContext): Promise<readonly string[]> {
  const { author } = await ctx.outputOf('read', readOutput)
  return ['type:docgen', `source:agent/${author}`]
}

async function showDecision(
  ctx: StepContext,
  codeHost: CodeHost,
  { snapshot, commit, decision }: Published & { readonly decision: DecisionRecord },
): Promise<void> {
  const { address } = snapshot
  const name = `QuantaPilot gate ${decision.gate}`
  await ctx.effect({
    name: 'docs-check',
    kind: 'check',
    target: { address, commit, name },
    undo: `none: the check ${name} goes with its commit`,
    reversal: 'irreversible',
    find: () => Promise.resolve(null),
    make: async (key) => {
      const check = { address, commit, name, state: 'success', summary: sayDecision(decision), key } as const
      await codeHost.setCheck(check, ctx.signal)
      return null
    },
    result: z.null(),
  })
}

/** A role and a pseudonym, never a name: pull requests are public and forever. */
const sayDecision = ({ artifact, sha256, role, pseudonym, decidedOn }: DecisionRecord): string =>
  `${artifact} approved by ${role} ${pseudonym} on ${decidedOn}, sha256 ${sha256.slice(0, 12)}`

async function bodyOf(
  ctx: StepContext,
  { snapshot, branch, commit }: Published,
  approvals: readonly DecisionRecord[],
): Promise<string> {
  const [read, anchor, suite] = await Promise.all([
    ctx.outputOf('read', readOutput),
    ctx.outputOf('anchor', writingOutput),
    ctx.outputOf('suite', writingOutput),
  ])
  const written = [...anchor.documents, ...suite.documents]
  const rows = documentSuite.flatMap(({ path, title }) => {
    const document = written.find((each) => each.path === path)
    return document ? [`| \`${path}\` | ${title} | \`${document.sha256.slice(0, 12)}\` |`] : []
  })
  const questions = anchor.questions.length
  return [
    `Run ${ctx.handle} read \`${read.readme.path}\` at ${snapshot.commit} and wrote the documents below. Nothing else is changed.`,
    '',
    '| File | Document | sha256 |',
    '| --- | --- | --- |',
    ...rows,
    '',
    `- Requirements: ${anchor.requirementCount}, each citing its line of \`${read.readme.path}\``,
    `- Open questions: ${questions}${questions > 0 ? ', listed in `docs/ANCHOR.md`; answer them in the README and run again' : ''}`,
    ...approvals.map(
      ({ gate, artifact, sha256, role, pseudonym, decidedOn }) =>
        `- Gate ${gate}: \`${artifact}\` approved by ${role} \`${pseudonym}\` on ${decidedOn}, sha256 \`${sha256}\``,
    ),
    `- Author: ${read.author}`,
    ...(await sayAllUnlinted(ctx)).map((each) => `- ${inert(each)}`),
    '',
    '## Undo',
    '',
    `Close this pull request and delete its branch \`${branch}\` (commit ${commit}). After a merge, revert the merge: no other file is involved.`,
  ].join('\n')
}
