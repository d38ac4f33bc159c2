import type { StepKind } from '../../../core/pipeline.ts'
import { addedBytes } from './binary-patch.ts'
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
export const reviewChange = ({ workshop: { reviewer } }: MilestonePorts): StepKind => ({
  timeoutMs: 1_800_000,
  retry: 'generation',
  onPause: 'abort',
  run: async (ctx) => {
    const milestone = await currentMilestone(ctx)
    const made = await ctx.outputOf(idOf(milestone.id, 'implement'), change)
    const tested = await ctx.outputOf(idOf(milestone.id, 'test'), judgement)
    const patch = new TextDecoder().decode(await ctx.read(made.patch))
    const checked = review(milestone, made, patch, tested)
    if (!checked.passed) return sendBack(milestone, 'review', checked)
    if (reviewer === null) return { kind: 'done', output: checked, verdict: 'passed' }
    const held = await askReviewer(ctx, reviewer, { milestone, made, patch, testOutput: tested.report })
    const output = withReview(milestone, checked, held)
    const artifacts = await keepReview(ctx, milestone, held)
    if (!output.passed) return { ...sendBack(milestone, 'review', output), artifacts }
    return { kind: 'done', output, artifacts, verdict: 'passed' }
  },
})

/** Judges a patch by its text. Pure. */
export function review(milestone: Milestone, made: Change, patch: string, tested: Judgement): Judgement {
  const lines = addedLines(patch)
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

/** A line that a patch adds, and to which file. */
export type Added = { readonly path: string; readonly text: string }

/**
 * The lines that a patch adds, by file. What a file holds may look like the head of another one, and is none. A file that git
 * takes for binary, for which one zero byte is enough, counts too: by its bytes, without the zeros.
 */
export function addedLines(patch: string): readonly Added[] {
  const lines = patch.split('\n')
  let [path, isHead] = ['', true]
  return lines.flatMap((line, at) => {
    // Lines of a file begin with a sign or a blank.
    if (line.startsWith('diff --git ')) [path, isHead] = [pathOfBoth(line.slice('diff --git '.length)), true]
    if (line.startsWith('@@ ')) isHead = false
    if (isHead && line.startsWith('+++ ')) path = pathIn(line.slice(4))
    if (isHead && line === 'GIT binary patch') {
      const bytes = addedBytes(lines.slice(at + 1, lines.indexOf('', at)))
      const texts = bytes.toString('latin1').replaceAll('\0', '').split('\n')
      return texts.map((text) => ({ path, text }))
    }
    return !isHead && line.startsWith('+') ? [{ path, text: line.slice(1) }] : []
  })
}

/** Of two paths in a row that are the same, `a/x b/x`, the second. Nothing is renamed in a patch of ours. */
const pathOfBoth = (both: string): string => pathIn(both.slice((both.length + 1) / 2))

/** As git writes a path: with a tab behind it where it has blanks, in quotes and by its bytes where it is more than ASCII. */
function pathIn(written: string): string {
  const name = written.replace(/\t$/, '')
  if (!name.startsWith('"')) return name.slice(2)
  const bytes = name
    .slice(1, -1)
    .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))).slice(2)
}

/** The files to which lines add what looks like a key or password. */
export const withSecrets = (lines: readonly Added[]): readonly string[] => [
  ...new Set(lines.filter(({ text }) => looksSecret(text)).map(({ path }) => path)),
]

/** What takes data away for good. */
const destructive = /\b(?:drop\s+(?:table|column|schema|database|type|view|index)|truncate\b|delete\s+from)/i

/** Lines of migrations that take data away, in sentences. */
export const lossOfData = (lines: readonly Added[]): readonly string[] =>
  lines
    .filter(({ path, text }) => isAbout('migration', path) && destructive.test(text))
    .map(({ path, text }) => `${path} takes data away: ${text.trim().slice(0, 200)}`)

/** So many lines of a file that decides what runs stand on the card; all of them stand in the patch. */
const linesShown = 3

function sensitiveLines({ files }: Change, lines: readonly Added[]): readonly string[] {
  return files
    .filter(({ path }) => isSensitive(path))
    .map(({ path, change: how, added, removed }) => {
      const own = lines.filter((line) => line.path === path).map(({ text }) => text.trim())
      const shown = own.filter(Boolean).slice(0, linesShown).join(' ⏎ ').slice(0, 200)
      return `${path} ${how} (+${added} −${removed}), which decides what is installed or run: ${shown}`
    })
}
