import { z } from 'zod'
import type { Command, CommandKind, Following } from '../core/commands/command.ts'
import { scopes } from '../core/commands/command.ts'
import { numberOf } from '../core/model/handle.ts'
import { nearest } from '../core/model/nearest.ts'
import type { Role } from '../core/model/plan.ts'
import { roles } from '../core/model/plan.ts'
import type { Refusal, Result } from '../core/model/problem.ts'
import { accepted, refused } from '../core/model/problem.ts'
import { publicKinds } from '../core/model/transition.ts'
import { webhookNumber } from '../core/model/webhook.ts'
import type { Unsaid } from './surface.ts'
import { readBudgetWords } from './budget-words.ts'
import { aliases, grammar, kinds } from './grammar.ts'

/** Words of a line, quotes kept together: `reject r7k2 "not this"`. */
export function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** The options of a decision, before its words or behind them. */
const beside = String.raw`((?:\s+(?:--|[—–])(?:gate|sha)(?:=|\s+)\S+)*)`

/** `reject r7k2 --gate anchor because`, cut where its words begin and end. */
const decision = new RegExp(
  String.raw`^\s*(\/?(?:reject|changes))\s+(\S+)${beside}\s+(?!--|[—–])(\S[^]*?)${beside}\s*$`,
  'i',
)

/**
 * The same of a line as people write it in chat: phones make “quotes” and — dashes of what was typed. The words of a decision
 * stay as they are, in as many lines and with whatever quotes and dashes they have.
 */
export function wordsOfChat(line: string): readonly string[] {
  const [, name, run, before, said, behind] = decision.exec(line) ?? []
  if (name === undefined || run === undefined || said === undefined) return wordsOf(asTyped(line))
  const [, inside] = /^["“„]([^"“”„]*)["”“]$/.exec(said) ?? []
  return [name, run, ...wordsOf(asTyped(`${before}${behind}`)), '--reason', inside ?? said]
}

const asTyped = (line: string): string =>
  line
    .replaceAll(/[“”„]/g, '"')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/(^|\s)[—–](?=[a-z])/g, '$1--')

/** A typed command, slash or not, as a Command; a wrong one is refused with the nearest right one as `next`. */
export function parseCommand(words: readonly string[]): Result<Command> {
  const parsed = parseTyped(words)
  if (!parsed.ok) return parsed
  const { value } = parsed
  return isUnsaid(value) ? { ok: false, refusal: lacksWords(value) } : accepted(value)
}

/** Whether a decision still lacks its words. */
export const isUnsaid = (command: Command | Unsaid): command is Unsaid =>
  (command.kind === 'reject' || command.kind === 'changes') && !('reason' in command)

/** Why nothing comes of a decision without its words where nobody can be asked for them. */
export const lacksWords = ({ kind }: Unsaid): Refusal => ({
  code: 'usage',
  message:
    kind === 'reject'
      ? 'Say why: the reason is kept with the decision.'
      : 'Say what to change: it becomes part of the documents, so say nothing about people.',
  next: `Usage: ${grammar[kind].usage}`,
})

/** What a person is asked who decided without words. */
export const questionOf = ({ kind, run }: Unsaid): string =>
  kind === 'reject'
    ? `Why reject run ${run}?`
    : `What should change in run ${run}? It becomes part of the documents: say nothing about people.`

/** The same for who can ask back: a decision may still lack its words. */
export function parseTyped(words: readonly string[]): Result<Command | Unsaid> {
  const [first = '', ...rest] = words
  const name = first.replace(/^\//, '').toLowerCase()
  const kind = aliases.get(name) ?? kinds.find((known) => known === name)
  if (!kind) return unknownCommand(name, rest)
  const options = splitOptions(kind, rest)
  if (!options.ok) return options
  return build(kind, options.value)
}

function unknownCommand(name: string, rest: readonly string[]): Result<never> {
  const meant = nearest(name, [...kinds, ...aliases.keys(), 'help'])
  if (!meant) return refused('usage', `There is no command ${name || '(empty)'}.`, 'See help.')
  return refused('usage', `There is no command ${name}.`, `Did you mean ${[meant, ...rest].join(' ')}?`)
}

type Options = { readonly words: readonly string[]; readonly flags: ReadonlyMap<string, string> }

const flagsWithValue = new Set(['branch', 'pipeline', 'repo', 'sha', 'gate', 'reason', 'events', 'scope'])
const flagsWithout = new Set(['dry-run', 'confirm', 'decisions'])

function splitOptions(kind: CommandKind, words: readonly string[]): Result<Options> {
  const plain: string[] = []
  const flags = new Map<string, string>()
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith('--')) {
      plain.push(word)
      continue
    }
    const [name = '', inline] = word.slice(2).split(/=(.*)/s)
    if (flagsWithout.has(name)) flags.set(name, 'yes')
    else if (flagsWithValue.has(name)) {
      const value = inline ?? words[++i]
      if (value === undefined) return refused('usage', `--${name} needs a value.`, `Usage: ${grammar[kind].usage}`)
      flags.set(name, value)
    } else return unknownFlag(name)
  }
  return accepted({ words: plain, flags })
}

function unknownFlag(name: string): Result<never> {
  const meant = nearest(name, [...flagsWithValue, ...flagsWithout])
  return refused('usage', `There is no option --${name}.`, meant ? `Did you mean --${meant}?` : 'See help.')
}

/** How many words each takes, behind its own; the rest say so where they are read. */
const most: Partial<Record<CommandKind, number>> = {
  whoami: 0,
  link: 1,
  subscribe: 1,
  unsubscribe: 1,
  gates: 1,
  runs: 1,
  status: 1,
  pause: 1,
  resume: 1,
  retry: 1,
  cancel: 1,
  freeze: 1,
  diff: 1,
  delegate: 2,
  mute: 2,
  logs: 2,
  calls: 2,
  artifacts: 2,
  approve: 3,
}

function build(kind: CommandKind, { words, flags }: Options): Result<Command | Unsaid> {
  if (words.length > (most[kind] ?? words.length)) return tooMany(kind)
  const [first, ...rest] = words
  switch (kind) {
    case 'link':
      return accepted({ kind, code: first ?? null })
    case 'actor':
      return buildActor(words)
    case 'subscribe':
      return accepted({ kind, project: projectOf(first), level: flags.has('decisions') ? 'decisions' : 'all' })
    case 'unsubscribe':
      return accepted({ kind, project: projectOf(first) })
    case 'delegate':
      return first !== undefined && /^\d{1,4}h?$/.test(rest[0] ?? '')
        ? accepted({ kind, who: first, hours: Number.parseInt(rest[0] ?? '', 10) })
        : usage(kind, words)
    case 'mute':
      return /^[1-9]\d{0,3}h?$/.test(first ?? '')
        ? accepted({ kind, hours: Number.parseInt(first ?? '', 10), project: projectOf(rest[0]) })
        : usage(kind, words)
    case 'quiet':
      return buildQuiet(words)
    case 'mail':
      return buildMail(words, flags)
    case 'key':
      return buildKey(words, flags.get('scope') ?? 'read')
    case 'privacy':
      return buildPrivacy(words, flags.has('confirm'))
    case 'whoami':
      return accepted({ kind })
    case 'gates':
    case 'runs':
      return withPage(kind, words, (page) => accepted({ kind, page }))
    case 'status':
      return first === undefined
        ? accepted({ kind, run: null, page: 1 })
        : withRun(kind, first, (run) => ({ kind, run, page: 1 }))
    case 'run':
      return buildRun(words, flags)
    case 'approve':
      return withRun(kind, first, (run) => ({
        kind,
        run,
        gate: rest[0] ?? flags.get('gate') ?? null,
        sha256: flags.get('sha') ?? null,
        ...(rest[1] === undefined ? {} : { option: rest[1] }),
      }))
    case 'reject':
    case 'changes':
      return withReason(kind, first, { rest, flags })
    case 'budget':
      return buildBudget(first, rest)
    case 'undo':
      return buildUndo(first, rest)
    case 'webhook':
      return buildWebhook(words, flags)
    case 'calls':
    case 'logs':
      return withPage(kind, rest, (page) => withRun(kind, first, (run) => ({ kind, run, page })))
    case 'artifacts':
      return withRun(kind, first, (run) => ({ kind, run, name: rest[0] ?? null }))
    default:
      return withRun(kind, first, (run) => ({ kind, run }))
  }
}

const projectOf = (word: string | undefined): string | null => (word === undefined || word === 'all' ? null : word)

function buildActor([verb = '', ...rest]: readonly string[]): Result<Command> {
  const [who, changes] = verb === 'role' ? [rest[0], rest.slice(1)] : ['', rest]
  const named = changes.map((word) => ({ name: word.replace(/^[+-]/, ''), isTaken: word.startsWith('-') }))
  const unknown = named.find(({ name }) => !roles.some((role) => role === name))
  if (unknown) return unknownRole(unknown.name)
  const pick = (isTaken: boolean): readonly Role[] =>
    roles.filter((role) => named.some((change) => change.name === role && change.isTaken === isTaken))
  const complete = verb === 'list' ? rest.length === 0 : verb === 'add' ? pick(true).length === 0 : named.length > 0
  if (!complete || who === undefined || (verb !== 'list' && verb !== 'add' && verb !== 'role'))
    return usage('actor', verb === '' ? [] : [verb])
  return accepted({ kind: 'actor', verb, who, grant: pick(false), revoke: pick(true) })
}

function unknownRole(name: string): Result<never> {
  const meant = nearest(name, [...roles])
  return refused(
    'usage',
    `There is no role ${name}.`,
    meant ? `Did you mean ${meant}?` : `Roles are ${roles.join(', ')}.`,
  )
}

function buildKey([verb, name, ...rest]: readonly string[], scope: string): Result<Command> {
  const named = scope.split(',')
  const unknown = named.find((word) => !scopes.some((known) => known === word))
  if (unknown !== undefined)
    return refused('usage', `There is no scope ${unknown}.`, `Scopes are ${scopes.join(', ')}.`)
  if (verb === 'list' && name === undefined) return accepted({ kind: 'key', verb, name: '', scopes: [] })
  if ((verb !== 'add' && verb !== 'revoke') || name === undefined || rest.length > 0)
    return usage('key', verb === undefined || name === undefined ? [] : [verb])
  return accepted({ kind: 'key', verb, name, scopes: scopes.filter((known) => named.includes(known)) })
}

const isFollowing = (command: Command | Unsaid): command is Following =>
  ['subscribe', 'unsubscribe', 'mute', 'quiet'].includes(command.kind)

function buildMail(words: readonly string[], flags: Options['flags']): Result<Command> {
  const [first, ...rest] = words
  const kind = kinds.find((known) => known === first?.toLowerCase())
  if (kind) {
    const said = build(kind, { words: rest, flags })
    if (!said.ok) return said
    return isFollowing(said.value) ? accepted({ kind: 'mail', act: 'follow', follow: said.value }) : usage('mail')
  }
  if (first === undefined) return usage('mail')
  if (rest.length > 0) return tooMany('mail')
  if (first === 'off') return accepted({ kind: 'mail', act: 'off' })
  if (!first.includes('@')) return accepted({ kind: 'mail', act: 'confirm', code: first })
  const address = first.replace(/^<?(?:mailto:)?/i, '').replace(/(?:\|.*)?>$/, '')
  if (z.email().max(254).safeParse(address).success) return accepted({ kind: 'mail', act: 'ask', address })
  return refused('usage', `${first} is not an e-mail address.`, 'Write one such as ann@example.org.')
}

function buildPrivacy([verb, who, ...rest]: readonly string[], confirm: boolean): Result<Command> {
  if ((verb !== 'export' && verb !== 'erase') || rest.length > 0) return usage('privacy')
  return accepted({ kind: 'privacy', verb, who: who ?? null, confirm })
}

/** `22`, `22:30`; with a zone as the IANA names them. */
function buildQuiet([from, to, zone = 'UTC', ...rest]: readonly string[]): Result<Command> {
  if (from === 'off' && to === undefined) return accepted({ kind: 'quiet', from: null, to: null, zone: 'UTC' })
  const times = [from, to].map((word) => /^([01]?\d|2[0-3])(?::([0-5]\d))?$/.exec(word ?? ''))
  const [start, end] = times.map((match) => match && `${match[1]?.padStart(2, '0')}:${match[2] ?? '00'}`)
  if (!start || !end || rest.length > 0) return usage('quiet', from === undefined ? [] : [from])
  if (!isZone(zone)) return refused('usage', `${zone} is not a time zone.`, 'Write one such as Europe/Berlin.')
  return accepted({ kind: 'quiet', from: start, to: end, zone })
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

function buildRun(words: readonly string[], flags: ReadonlyMap<string, string>): Result<Command> {
  const left = [...words]
  const target = flags.get('repo') ?? left.shift()
  const branch = flags.get('branch') ?? left.shift()
  if (target === undefined || target === '') return usage('run')
  if (left.length > 0) return tooMany('run')
  const pipeline = flags.get('pipeline') ?? 'factory'
  return accepted({
    kind: 'run',
    target,
    branch: branch ?? null,
    pipeline,
    dryRun: flags.has('dry-run'),
    confirm: flags.has('confirm'),
  })
}

function buildUndo(first: string | undefined, [commit, ...more]: readonly string[]): Result<Command> {
  if (more.length > 0) return tooMany('undo')
  if (commit !== undefined && !/^[0-9a-f]{7,40}$/i.test(commit))
    return refused(
      'usage',
      `${commit.slice(0, 40)} is not a commit.`,
      'Write seven of its digits or more, such as 3f2a1bc.',
    )
  return withRun('undo', first, (run) => ({ kind: 'undo', run, commit: commit?.toLowerCase() ?? null }))
}

function buildBudget(first: string | undefined, words: readonly string[]): Result<Command> {
  const said = readBudgetWords(words)
  if (said === null) return tooMany('budget')
  return said.ok ? withRun('budget', first, (run) => ({ kind: 'budget', run, ...said.value })) : said
}

function buildWebhook([act, subject, ...rest]: readonly string[], flags: ReadonlyMap<string, string>): Result<Command> {
  if (rest.length > 0) return tooMany('webhook')
  if (act === undefined || act === 'list') {
    return subject === undefined ? accepted({ kind: 'webhook', act: 'list' }) : tooMany('webhook')
  }
  if (act !== 'add' && act !== 'remove' && act !== 'test') return unknownAct(act)
  if (subject === undefined) return usage('webhook')
  if (act === 'add') return buildWebhookAdd(subject, flags.get('events'))
  if (webhookNumber(subject) !== null) return accepted({ kind: 'webhook', act, webhook: subject.toLowerCase() })
  return refused('usage', `${subject} is not a webhook: webhooks look like w3.`, 'See /webhook list.')
}

function buildWebhookAdd(address: string, list: string | undefined): Result<Command> {
  const names = list === undefined ? [] : list.split(',').filter((name) => name !== '')
  const wrong = names.find((name) => !publicKinds.some((kind) => kind === name))
  if (wrong !== undefined || (list !== undefined && names.length === 0)) {
    const meant = nearest(wrong ?? '', publicKinds)
    const next = meant === null ? `There are ${publicKinds.join(', ')}.` : `Did you mean ${meant}?`
    return refused('usage', `${wrong ?? 'Nothing'} is not an event.`, next)
  }
  const events = publicKinds.filter((kind) => names.includes(kind))
  return accepted({ kind: 'webhook', act: 'add', address, events })
}

function unknownAct(act: string): Result<never> {
  const meant = nearest(act, ['add', 'list', 'remove', 'test'])
  const next = meant === null ? `Usage: ${grammar.webhook.usage}` : `Did you mean webhook ${meant}?`
  return refused('usage', `webhook does not know ${act}.`, next)
}

type Tail = { readonly rest: readonly string[]; readonly flags: ReadonlyMap<string, string> }

function withReason(
  kind: 'reject' | 'changes',
  first: string | undefined,
  { rest, flags }: Tail,
): Result<Command | Unsaid> {
  const reason = (flags.get('reason') ?? rest.join(' ')).trim()
  return withRun(kind, first, (run) => {
    const unsaid = { kind, run, gate: flags.get('gate') ?? null, sha256: flags.get('sha') ?? null }
    return reason === '' ? unsaid : { ...unsaid, reason }
  })
}

/** A page that is the last word of a command; without it, the first. */
function withPage(
  kind: CommandKind,
  [word = '1', ...more]: readonly string[],
  make: (page: number) => Result<Command>,
): Result<Command> {
  if (more.length > 0) return tooMany(kind)
  return /^[1-9]\d{0,4}$/.test(word) ? make(Number(word)) : usage(kind, [word])
}

function withRun<C extends Command | Unsaid>(
  kind: CommandKind,
  handle: string | undefined,
  make: (run: string) => C,
): Result<C> {
  if (handle === undefined) return usage(kind)
  if (numberOf(handle) === null)
    return refused('usage', `${handle} is not a run: runs look like r7k2.`, `Usage: ${grammar[kind].usage}`)
  return accepted(make(handle.toLowerCase()))
}

const usage = (kind: CommandKind, said: readonly string[] = []): Result<never> => {
  const message = said.length === 0 ? `${kind} needs more.` : `That is not how ${kind} is written.`
  return refused('usage', message, `Usage: ${grammar[kind].usage}`)
}

const tooMany = (kind: CommandKind): Result<never> =>
  refused('usage', `${kind} takes less.`, `Usage: ${grammar[kind].usage}`)
