import { denseMeasure } from './classes.ts'
import type { Facts } from './facts.ts'
import { clip, listed, printable } from './markdown.ts'
import { privileged, privilegedElsewhere } from './names.ts'
import type { Readme } from './readme.ts'
import { isQuestion, type Passage, type Statement } from './statements.ts'
import { isUnknown, normative, vagueWords } from './words.ts'

/** What a document may have nothing to say about. Each is an open question unless the README covers it. */
export type Gap =
  | 'purpose'
  | 'requirements'
  | 'users'
  | 'non-goals'
  | 'authentication'
  | 'retention'
  | 'errors'
  | 'limits'
  | 'observability'
  | 'tests'
  | 'deployment'
  | 'milestones'
  | 'licence'
  | 'owners'

export type OpenQuestion = {
  /** `Q1` onwards: first what the README raises, in its order, then what it leaves out. */
  readonly id: string
  readonly text: string
  readonly line: number | null
  readonly gap: Gap | null
  /** The requirement that raised it. */
  readonly requirement: string | null
}

export type Raised = Omit<OpenQuestion, 'id'>

export type Material = {
  readonly name: string
  readonly readme: Readme
  readonly passages: readonly Passage[]
  readonly statements: readonly Statement[]
  readonly facts: Facts
  readonly owners: readonly string[]
}

/** The open questions of a README. Depends on the README and the owners only, so that numbers stay while people answer. */
export function questionsOf(material: Material): readonly OpenQuestion[] {
  const raised = [...asked(material), ...actorless(material), ...vague(material)].toSorted(byLine)
  return [...raised, ...missing(material)].map((question, index) => ({ id: `Q${index + 1}`, ...question }))
}

function byLine(a: Raised, b: Raised): number {
  return (a.line ?? 0) - (b.line ?? 0)
}

/** What the README itself leaves open: under a heading about open questions, or next to words like "not yet known". */
function asked({ passages, statements }: Material): readonly Raised[] {
  const required = new Set(statements.map(({ start }) => start))
  return passages
    .filter((passage, index) => {
      const { unit, section, visible, wordy, start } = passage
      if (!wordy || unit.kind === 'cell' || required.has(start)) return false
      if (section.topic === 'questions') return unit.kind === 'item' || isQuestion(visible)
      if (!isQuestion(visible)) return isUnknown(visible) && !isQuestion(passages[index - 1]?.visible ?? '')
      return normative.test(visible) || isUnknown(passages[index + 1]?.visible ?? '')
    })
    .map(({ plain, line, visible }) => {
      const text = isQuestion(visible) ? clip(plain, 200) : `What is the answer here: “${clip(plain, 160)}”?`
      return { text, line, gap: null, requirement: null }
    })
}

/** Rights that name no holder. */
function actorless({ statements }: Material): readonly Raised[] {
  return statements.flatMap((statement) => {
    const text = statement.kind === 'non-goal' ? null : whoMay(statement.plain)
    return text === null ? [] : [{ text, line: statement.line, gap: null, requirement: statement.id }]
  })
}

/** "A parcel can be deleted before …" asks "Who may delete a parcel?"; null when somebody is named. */
export function whoMay(plain: string): string | null {
  const match =
    /^(.{2,80}?)\s(?:can|may|could|must|should)\s(?:only\s|also\s|always\s)?be\s(?:\w+ly\s)?(\w+)\b(.*)$/iu.exec(plain)
  const verb = privileged[match?.[2]?.toLowerCase() ?? '']
  if (match !== null && verb !== undefined) {
    if (/\bby\s(?:an?|the|any|every|each|its|their|all|\p{Lu}?\p{L}+s)\b/iu.test(match[3] ?? '')) return null
    const subject = clip(match[1] ?? '', 60)
    const phrase = /^(?:an?|the|any|every|each|all|its|their)\s/i.test(subject)
      ? subject[0]?.toLowerCase() + subject.slice(1)
      : subject
    return phrase.split(' ').length > 8 || /[,;:]/.test(phrase)
      ? `Who may do this: “${clip(plain, 120)}”?`
      : `Who may ${verb} ${lowerFirst(phrase)}?`
  }
  return privilegedElsewhere.test(plain) ? `Who may do this: “${clip(plain, 120)}”?` : null
}

function lowerFirst(phrase: string): string {
  return /^\p{Lu}\p{Ll}+(?:\s|$)/u.test(phrase) ? (phrase[0] ?? '').toLowerCase() + phrase.slice(1) : phrase
}

/** The first word of a statement that cannot be tested, and what it leaves open; null when there is none. */
export function vagueWordIn(plain: string): { readonly word: string; readonly asks: string } | null {
  for (const [words, kind] of vagueWords) {
    const word = words.exec(plain)?.[0]
    if (word !== undefined) return { word, asks: kind }
  }
  return null
}

/** One question for each vague word, at its first place, naming the others. */
function vague({ statements, readme }: Material): readonly Raised[] {
  const places = new Map<string, { readonly asks: string; readonly word: string; readonly all: Statement[] }>()
  for (const statement of statements) {
    const found = statement.kind === 'non-goal' ? null : vagueWordIn(statement.plain)
    if (found === null) continue
    const key = found.word.toLowerCase()
    const known = places.get(key) ?? { ...found, all: [] }
    known.all.push(statement)
    places.set(key, known)
  }
  return [...places.values()].flatMap(({ asks, word, all }) => {
    const [first, ...more] = all
    if (first === undefined) return []
    const also =
      more.length === 0
        ? ''
        : ` (also line ${listed(
            more.map(({ line }) => String(line)),
            4,
          )})`
    const text = `${vagueQuestion(asks, printable(word), clip(first.plain, 110), readme.path)}${also}`
    return [{ text, line: first.line, gap: null, requirement: first.id }]
  })
}

function vagueQuestion(asks: string, word: string, quote: string, path: string): string {
  switch (asks) {
    case 'number':
      return `Which number makes “${word}” true in “${quote}”?`
    case 'list':
      return `What else belongs to the list that ends in “${word}” in “${quote}”?`
    case 'choice':
      return `Is it one, the other or both in “${quote}”?`
    case 'answer':
      return `${path} leaves this open: “${quote}”. What is the answer?`
    default:
      return `How would a test tell “${word}” in “${quote}”?`
  }
}

function missing(material: Material): readonly Raised[] {
  const everything = [
    ...material.passages.map(({ plain }) => plain),
    ...material.readme.sections.map(({ title }) => title),
    ...material.facts.shell.map(({ text }) => text),
  ].join('\n')
  return gaps
    .filter(([, covered]) => !covered(material, everything))
    .map(([gap, , text]) => ({ text: text(material), line: null, gap, requirement: null }))
}

/** Somebody signs in to it or it keeps something: libraries and command-line tools are not asked about either. */
function isService({ facts }: Material): boolean {
  return facts.endpoints.length + facts.stores.length > 0
}

type GapRule = readonly [Gap, (material: Material, everything: string) => boolean, (material: Material) => string]

const gaps: readonly GapRule[] = [
  [
    'purpose',
    ({ facts }) => facts.purpose.length > 0,
    ({ name }) => `What is ${name} for? The README has no sentence that says so.`,
  ],
  [
    'requirements',
    ({ statements }) => statements.some(({ kind }) => kind !== 'non-goal'),
    ({ name }) => `What must ${name} do? The README states no requirement and lists no feature.`,
  ],
  ['users', ({ facts }) => facts.roles.length > 0, ({ name }) => `Who uses ${name}, and what may each of them do?`],
  [
    'non-goals',
    ({ statements }) => statements.some(({ kind }) => kind === 'non-goal'),
    ({ name }) => `What is ${name} not meant to do?`,
  ],
  [
    'authentication',
    (material, text) =>
      !isService(material) ||
      /\b(?:sign(?:s|ed)?[ -]in|log(?:s|ged)?[ -]?in|passwords?|authenticat\w*|authori[sz]\w*|oauth|sso|api[ -]keys?|tokens?|permissions?|credentials?)\b|парол|авториз|аутентифи|вход в систему|anmeld|passwort|mot de passe|connexion|contraseña|iniciar sesión|登录|密码|認証|ログイン/iu.test(
        text,
      ),
    ({ name, facts }) => `Who may use ${facts.endpoints[0]?.name ?? name}, and how do they prove who they are?`,
  ],
  [
    'retention',
    (material, text) =>
      !isService(material) ||
      /\b(?:retention|retain\w*|erase[sd]?|purge[sd]?|kept (?:for|until)|delete[sd]? after|after \d+ days|expires? after|stores? no|no data is)\b|хран(?:ится|ятся|ить|ение).{0,60}(?:дн|лет|год|месяц|час)|срок хранения|удаля(?:ется|ются).{0,40}через|aufbewahr|gelöscht nach|conservées?|se conservan?/iu.test(
        text,
      ),
    ({ name, facts }) =>
      facts.stores.length > 0
        ? `How long is data in ${listed(
            facts.stores.map((store) => store.name),
            3,
          )} kept, and what deletes it?`
        : `Does ${name} keep data, and for how long?`,
  ],
  [
    'errors',
    (_, text) =>
      /\b(?:errors?|fail(?:s|ed|ure|ures)?|refuse[sd]?|reject(?:s|ed)?|retr(?:y|ies|ied)|exit codes?|exceptions?|throws?|timeouts?)\b|ошибк|отказ|недоступ|Fehler|erreur|échec|error(?:es)?|错误|エラー|오류/iu.test(
        text,
      ),
    ({ name, facts }) =>
      `What does ${facts.endpoints[0]?.name ?? name} answer when it fails, and what happens to the work under way?`,
  ],
  [
    'limits',
    (_, text) =>
      /(?<!\d)\d[\d.,  ]{0,14}\s?(?:ms|s|sec|seconds?|minutes?|min|hours?|days?|kB|KB|MB|GB|%|users?|requests?|rps|items?|files?|parcels?|rows?|characters?|секунд\p{L}*|минут\p{L}*|час\p{L}*|дн\p{L}*|суток|МБ|ГБ|Sekunden?|Minuten?|Stunden?|Tage?n?|secondes?|heures?|jours?|segundos?|minutos?|horas?|días?)(?!\p{L})/iu.test(
        text,
      ) || denseMeasure.test(text),
    ({ name }) => `How much must ${name} bear, and how fast must it answer? The README gives no number.`,
  ],
  [
    'observability',
    (material, text) =>
      !isService(material) ||
      /\b(?:logs?|logging|logged|metrics?|monitor\w*|healthz?|tracing|traces?|alerts?|dashboards?|standard error|stderr)\b|журнал|логи|метрик|мониторинг|Protokoll|Überwachung|journalis|surveillance|registros?|métricas?|日志|监控|ログ/iu.test(
        text,
      ),
    ({ name }) => `How does an operator see that ${name} works: which logs, metrics or health check?`,
  ],
  [
    'tests',
    (_, text) =>
      /\b(?:tests?|testing|tested|coverage|continuous integration|vitest|jest|pytest)\b|\bCI\b|тест|Testabdeckung|essais?\b|pruebas|测试|テスト|테스트/iu.test(
        text,
      ),
    ({ name }) => `Which tests must pass before a change to ${name} is merged?`,
  ],
  [
    'deployment',
    ({ facts, readme }, text) =>
      facts.shell.length > 0 ||
      readme.sections.some(({ topic }) => topic === 'install' || topic === 'deployment') ||
      /\b(?:deploy\w*|docker|kubernetes|npm install|pip install)\b|разв[её]рт|устан(?:овить|овка|авлива)|installier|installer|instalar/iu.test(
        text,
      ),
    ({ name }) => `How is ${name} installed and where does it run?`,
  ],
  [
    'milestones',
    ({ readme }) => readme.sections.some(({ topic }) => topic === 'roadmap'),
    ({ name }) => `In which order are the parts of ${name} wanted, and by when?`,
  ],
  [
    'licence',
    ({ readme }, text) =>
      readme.sections.some(({ topic }) => topic === 'licence') ||
      /\b(?:MIT|Apache|BSD|GPL|LGPL|AGPL|MPL|ISC)\b|\blicen[cs]ed?\b|лиценз|Lizenz|licencia/iu.test(text),
    ({ name }) => `Under which licence may ${name} be used?`,
  ],
  [
    'owners',
    ({ owners }) => owners.length > 0,
    ({ name }) => `Who owns the documents of ${name}? CODEOWNERS names nobody for \`*\`.`,
  ],
]
