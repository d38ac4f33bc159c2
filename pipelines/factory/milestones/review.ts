import type { StepKind } from '../../../core/pipeline.ts'
import type { AddedLine } from '../../../core/workshop.ts'
import { askReviewer, withReview } from './judge.ts'
import { isAbout, isSensitive } from './paths.ts'
import { keepReview } from './review-report.ts'
import { looksSecret } from './secrets.ts'
import {
  type Change,
  change,
  currentMilestone,
  idOf,
  type Judgement,
  judgement,
  type Milestone,
  type MilestonePorts,
} from './shapes.ts'
import { sendBack } from './test.ts'

/**
 * Looks at the change itself: secrets in it, lines that decide what runs, and which criteria it names. Where a model reviews,
 * it is asked what it holds of what passed so far.
 */
export const reviewChange = ({ workshop: { reviewer, workspaces } }: MilestonePorts): StepKind => ({
  timeoutMs: 1_800_000,
  retry: 'generation',
  onPause: 'abort',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const tested = await ctx.outputOf(idOf(milestone.id, 'test'), judgement)
    const bytes = await ctx.read(made.patch)
    const checked = review(milestone, made, await workspaces.added(bytes), tested)
    if (!checked.passed) return sendBack(milestone, 'review', checked)
    if (reviewer === null) return { kind: 'done', output: checked, verdict: 'passed' }
    const held = await askReviewer(ctx, reviewer, {
      milestone,
      made,
      patch: new TextDecoder().decode(bytes),
      testOutput: tested.report,
    })
    const output = withReview(milestone, checked, held)
    const artifacts = await keepReview(ctx, milestone, held)
    if (!output.passed) return { ...sendBack(milestone, 'review', output), artifacts }
    return { kind: 'done', output, artifacts, verdict: 'passed' }
  },
})

/** Judges a change by the lines that it adds. Pure. */
function review(milestone: Milestone, made: Change, lines: readonly AddedLine[], tested: Judgement): Judgement {
  const secrets = withSecrets(lines)
  if (secrets.length > 0) {
    const report = `The change holds what looks like a key or password: take it out (${secrets.join(', ')}).`
    return { patch: made.patch.sha256, passed: false, report, facts: [], risks: [] }
  }
  const ids = milestone.criteria.flatMap(({ id }) => id ?? [])
  const unnamed = ids.filter((id) => !lines.some(({ text }) => text.includes(id)))
  return {
    patch: made.patch.sha256,
    passed: true,
    report: '',
    facts: [
      ...tested.facts,
      ...(ids.length > 0 ? [`${ids.length - unnamed.length} of ${ids.length} criteria named in it`] : []),
    ],
    risks: [
      ...tested.risks,
      ...lossOfData(lines),
      ...sensitiveLines(made, lines),
      ...(unnamed.length > 0 ? [`No line of the change names ${unnamed.join(', ')}.`] : []),
    ],
  }
}

/** The files to which lines add what looks like a key or password. */
export const withSecrets = (lines: readonly AddedLine[]): readonly string[] => [
  ...new Set(lines.filter(({ text }) => looksSecret(text)).map(({ path }) => path)),
]

/** What takes data away for good. */
const destructive = /\b(?:drop\s+(?:table|column|schema|database|type|view|index)|truncate\b|delete\s+from)/i

/** Lines of migrations that take data away, in sentences. */
export const lossOfData = (lines: readonly AddedLine[]): readonly string[] =>
  lines
    .filter(({ path, text }) => isAbout('migration', path) && destructive.test(text))
    .map(({ path, text }) => `${path} takes data away: ${text.trim().slice(0, 200)}`)

/** So many lines of a file that decides what runs stand on the card; all of them stand in the patch. */
const linesShown = 3

function sensitiveLines({ files }: Change, lines: readonly AddedLine[]): readonly string[] {
  return files
    .filter(({ path }) => isSensitive(path))
    .map(({ path, change: how, added, removed }) => {
      const own = lines.filter((line) => line.path === path).map(({ text }) => text.trim())
      const shown = own.filter(Boolean).slice(0, linesShown).join(' ⏎ ').slice(0, 200)
      return `${path} ${how} (+${added} −${removed}), which decides what is installed or run: ${shown}`
    })
}
