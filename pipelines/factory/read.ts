import type { ArtifactRef, RunLimits } from '../../core/model/outcome.ts'
import type { GatePolicy } from '../../core/model/plan.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { Fault } from '../../core/model/problem.ts'
import type { Author, Snapshot, SourceControl } from '../../core/ports.ts'
import type { FactoryInput, ReadOutput } from './shapes.ts'
import { factoryInput } from './shapes.ts'
import type { Settings } from './settings/settings.ts'
import { parseSettings } from './settings/settings.ts'

/** READMEs longer than this are refused: nobody reads them either. */
const maxReadmeBytes = 200_000
const maxSettingsBytes = 64_000
const maxOwnersBytes = 100_000

/** First step: takes the repository at one commit and pins what the run works from. */
export const readRepository = (source: SourceControl, author: Author): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'abort',
  run: async (ctx) => {
    const input = factoryInput.parse(ctx.input)
    const snapshot = await source.snapshot({ address: input.target, branch: input.branch }, ctx.signal)
    const { settings, saved } = await readSettings(ctx, source, snapshot)
    const readme = await readReadme(ctx, source, snapshot)
    const output: ReadOutput = {
      snapshot,
      readme,
      owners: await readOwners(ctx, source, snapshot),
      settingsSha256: saved?.sha256 ?? null,
      author: author.name,
      outlook: outlookOf(settings, readme.sizeBytes),
      retentionDays: settings.policies.data_retention_days ?? null,
    }
    return {
      kind: 'done',
      output,
      artifacts: [{ name: 'README.md', sha256: readme.sha256, sizeBytes: readme.sizeBytes }, ...(saved ? [saved] : [])],
      limits: limitsOf(settings),
      verdict: input.confirm || settings.policies.gates['start'] ? 'confirm' : 'go',
      subject: startSubject(input, output),
      policy: gatePolicy(settings, 'start'),
    }
  },
})

/** Measured on the bundled example, 2.9 kB: 0.2 s to write and 0.9 s around it; long READMEs cost the author more. */
const secondsToWrite = (readmeBytes: number): number => Math.ceil(1.1 + readmeBytes / 50_000)

/** The built-in author calls no model, so there is nothing to pay for. */
function outlookOf(settings: Settings, readmeBytes: number): ReadOutput['outlook'] {
  const { roles, quorum, selfApproval } = gatePolicy(settings, 'anchor')
  const votes = quorum === 1 ? 'one' : `${quorum}`
  const eyes = selfApproval ? '' : ', not whoever started the run'
  const policy = [`gate anchor: ${votes} of ${roles.join(' or ')}${eyes}`]
  return { lowMicros: 0, likelyMicros: 0, highMicros: 0, seconds: secondsToWrite(readmeBytes), policy }
}

function startSubject(input: FactoryInput, { snapshot, readme, outlook }: ReadOutput) {
  return {
    artifact: { name: 'README.md', sha256: readme.sha256, sizeBytes: readme.sizeBytes },
    what: `Start on ${snapshot.name}, branch ${snapshot.branch}, commit ${snapshot.commit.slice(0, 12)}`,
    risks: snapshot.hasUncommittedChanges ? ['The folder has changes that are not committed; they are not read.'] : [],
    questions: [],
    changes: [],
    facts: [
      `estimate $${(outlook.likelyMicros / 1_000_000).toFixed(2)}, about ${outlook.seconds} s`,
      `asked as ${input.target}`,
    ],
  }
}

/** In the order of preference; letter case counts only between two of the same name. */
const readmeNames = ['README.md', 'README.markdown', 'README']

async function readReadme(ctx: StepContext, source: SourceControl, snapshot: Snapshot): Promise<ReadOutput['readme']> {
  const names = await source.list(snapshot, '', ctx.signal)
  // Read under its usual name even where no file is listed: what stands there instead is then named.
  const path = findReadme(names) ?? 'README.md'
  const bytes = await source.read(snapshot, path, maxReadmeBytes, ctx.signal)
  if (bytes === null) throw refuse(await noReadme(ctx, source, snapshot, names))
  const text = decode(bytes, path)
  if (text.trim() === '')
    throw refuse(`${path} is empty. Write what to build: purpose, users, features. Then commit it and /retry.`)
  const saved = await ctx.save('README.md', bytes, 'text/markdown')
  return { path, sha256: saved.sha256, sizeBytes: saved.sizeBytes }
}

function findReadme(names: readonly string[]): string | undefined {
  const found = readmeNames.flatMap((wanted) => [
    ...names.filter((name) => name === wanted),
    ...names.filter((name) => name.toLowerCase() === wanted.toLowerCase()),
  ])
  return found[0]
}

async function noReadme(
  ctx: StepContext,
  source: SourceControl,
  snapshot: Snapshot,
  names: readonly string[],
): Promise<string> {
  const inside = await source.list(snapshot, 'README.md', ctx.signal)
  if (inside.length > 0)
    return 'README.md is a folder. Put the text that says what to build into a file of that name, commit it, then /retry.'
  const other = names.find((name) => /^readme\./i.test(name))
  const instead = other === undefined ? '' : `; ${other} is not read`
  return `${snapshot.name} has no README.md on branch ${snapshot.branch}${instead}. Add one that says what to build, commit it, then /retry.`
}

/** Text or nothing: a NUL or a broken sequence means the file is no text at all. */
function decode(bytes: Uint8Array, path: string): string {
  if (isUtf16(bytes)) throw refuse(`${path} is UTF-16 text. Save it as UTF-8, commit it, then /retry.`)
  if (bytes.includes(0))
    throw refuse(`${path} is not text: it holds NUL bytes. Save it as UTF-8, commit it, then /retry.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refuse(`${path} is not UTF-8 text. Save it as UTF-8, commit it, then /retry.`)
  }
}

/** As editors on Windows save it: by the mark at its beginning. */
const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)

async function readSettings(
  ctx: StepContext,
  source: SourceControl,
  snapshot: Snapshot,
): Promise<{ settings: Settings; saved: ArtifactRef | null }> {
  const path = 'quantapilot.yml'
  const bytes = await source.read(snapshot, path, maxSettingsBytes, ctx.signal)
  const parsed = parseSettings(bytes === null ? '' : decode(bytes, path), path)
  if (!parsed.ok) {
    const list = parsed.findings
      .map((finding) => `${finding.path}:${finding.line} ${finding.message} ${finding.fix}`)
      .join('\n')
    throw refuse(`quantapilot.yml on branch ${snapshot.branch} is not valid:\n${list}`)
  }
  const saved = bytes === null ? null : await ctx.save(path, bytes, 'application/yaml')
  return { settings: parsed.settings, saved }
}

/** The settings of this run, as its first step pinned them. */
export async function pinnedSettings(ctx: StepContext, read: ReadOutput): Promise<Settings> {
  const bytes = read.settingsSha256 === null ? null : await ctx.read({ sha256: read.settingsSha256 })
  const parsed = parseSettings(bytes === null ? '' : new TextDecoder().decode(bytes), 'quantapilot.yml')
  if (!parsed.ok)
    throw refuse('The pinned quantapilot.yml does not parse any more: /retry starts over from the repository.')
  return parsed.settings
}

/** The file can only tighten what the server allows. */
function limitsOf({ budgets, limits }: Settings): RunLimits {
  const seconds = limits?.timeout_seconds ?? 0
  const tokens = [budgets?.tokens, limits?.tokens_per_run].filter((value) => value !== undefined)
  return {
    capMicros: budgets?.usd === undefined ? null : Math.round(budgets.usd * 1_000_000),
    capTokens: tokens.length === 0 ? null : Math.min(...tokens),
    deadlineMs: seconds === 0 ? null : seconds * 1000,
  }
}

/** Whoever policy names, else any approver or admin; never nobody by accident. */
export function gatePolicy(settings: Settings, gate: string): GatePolicy {
  const policy = settings.policies.gates[gate]
  return {
    roles: policy?.roles ?? ['approver', 'admin'],
    quorum: policy?.quorum ?? 1,
    selfApproval: policy?.selfApproval ?? true,
    expiresAfterMs: policy?.expiresAfterMs ?? null,
    remindEveryMs: policy?.remindEveryMs ?? null,
  }
}

const ownersPaths = ['CODEOWNERS', '.github/CODEOWNERS', 'docs/CODEOWNERS']

/** Owners of everything: the last `*` line of the first CODEOWNERS there is. */
async function readOwners(ctx: StepContext, source: SourceControl, snapshot: Snapshot): Promise<string[]> {
  for (const path of ownersPaths) {
    const bytes = await source.read(snapshot, path, maxOwnersBytes, ctx.signal)
    if (bytes === null) continue
    const lines = new TextDecoder()
      .decode(bytes)
      .split(/\r?\n/)
      .filter((line) => /^\*\s/.test(line))
    return (lines.at(-1)?.split(/\s+/) ?? []).filter((word) => word.startsWith('@')).map((word) => word.slice(1))
  }
  return []
}

const refuse = (message: string): Fault => new Fault({ code: 'VALIDATION_ERROR', message, retryable: false })
