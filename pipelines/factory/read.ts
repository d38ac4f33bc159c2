import { dollars } from '../../core/model/amount.ts'
import type { EarlierRun, StepContext, StepKind } from '../../core/pipeline.ts'
import type { Snapshot, SourceControl } from '../../core/ports.ts'
import { estimate } from './estimate.ts'
import { checkModels, modelsBefore, modelsOf, unkeptTerms } from './models.ts'
import type { Policy } from './policy.ts'
import { gatePolicy, limitsOf, readPolicy, sayPolicy } from './policy.ts'
import type { FactoryInput, ReadOutput } from './shapes.ts'
import { factoryInput, readOutput } from './shapes.ts'
import { type FactoryPorts, runCap } from './ports.ts'
import { decode, refuse } from './text.ts'

/** READMEs longer than this are refused: nobody reads them either. */
const maxReadmeBytes = 200_000
const maxOwnersBytes = 100_000

/** First step: takes the repository at one commit and pins what the run works from. */
export const readRepository = ({
  source,
  author,
  models: known,
  serverPolicy: server,
  workshop,
}: FactoryPorts): StepKind => ({
  timeoutMs: 120_000,
  retry: 'io',
  onPause: 'abort',
  run: async (ctx) => {
    const input = factoryInput.parse(ctx.input)
    const snapshot = await source.snapshot({ address: input.target, branch: input.branch }, ctx.signal)
    const { policy, saved } = await readPolicy(ctx, { source, snapshot, server })
    const { settings, sources } = policy
    checkModels(settings, { models: known, workshop })
    const readme = await readReadme(ctx, source, snapshot)
    const earlier = (await ctx.earlier()).filter(({ output }) => readOutput.safeParse(output).data?.isDry !== true)
    const models = modelsOf(settings, { author, workshop })
    const output: ReadOutput = {
      snapshot,
      readme,
      owners: await readOwners(ctx, source, snapshot),
      settingsSha256: sources.file,
      serverPolicySha256: sources.server,
      author: author.name,
      agent: agentOf(workshop),
      models,
      modelsBefore: modelsBefore(settings, models, earlier),
      outlook: outlookOf({ author, workshop }, policy, { readmeBytes: readme.sizeBytes, earlier }),
      retentionDays: settings.policies.data_retention_days ?? null,
      isDry: input.dryRun,
    }
    return {
      kind: 'done',
      // By this whoever asks for more money finds who may grant it.
      output: { ...output, raisePolicy: gatePolicy(policy, 'budget') },
      artifacts: [{ name: 'README.md', sha256: readme.sha256, sizeBytes: readme.sizeBytes }, ...saved],
      limits: limitsOf(settings),
      verdict: verdictOf(input.confirm || settings.policies.gates['start'] !== undefined, output.modelsBefore !== null),
      subject: startSubject(input, output),
      policy: gatePolicy(policy, 'start'),
    }
  },
})

/** What the plan's gates go by. */
const verdictOf = (isAsked: boolean, isOtherModel: boolean): string =>
  isAsked ? (isOtherModel ? 'confirm-model' : 'confirm') : isOtherModel ? 'model' : 'go'

const agentOf = (workshop: FactoryPorts['workshop']): ReadOutput['agent'] =>
  workshop && { name: workshop.agent.name, model: workshop.agent.model }

type Found = { readonly readmeBytes: number; readonly earlier: readonly EarlierRun[] }

function outlookOf(
  { author, workshop }: Pick<FactoryPorts, 'author' | 'workshop'>,
  policy: Policy,
  { readmeBytes, earlier }: Found,
): ReadOutput['outlook'] {
  const goesOnToCode = workshop !== null
  const agent = agentOf(workshop)
  const comparable = earlier.filter(({ output }) => {
    const read = readOutput.safeParse(output).data
    return read?.author === author.name && JSON.stringify(read.agent) === JSON.stringify(agent)
  })
  return {
    ...estimate({
      forecast: author.forecast(readmeBytes),
      capMicros: limitsOf(policy.settings).capMicros ?? runCap.micros,
      earlier: comparable,
      goesOnToCode,
    }),
    policy: sayPolicy(policy, goesOnToCode),
    clamped: [...policy.clamped, ...unkeptTerms(policy.settings, workshop)],
  }
}

function startSubject(input: FactoryInput, { snapshot, readme, outlook }: ReadOutput) {
  return {
    artifact: { name: 'README.md', sha256: readme.sha256, sizeBytes: readme.sizeBytes },
    what: `Start on ${snapshot.name}, branch ${snapshot.branch}, commit ${snapshot.commit.slice(0, 12)}`,
    risks: [
      ...(snapshot.hasUncommittedChanges ? ['The folder has changes that are not committed; they are not read.'] : []),
      ...outlook.clamped,
    ],
    questions: [],
    changes: [],
    facts: [
      `estimate ${dollars(outlook.likelyMicros)}, about ${outlook.seconds} s, from ${outlook.basis}`,
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
