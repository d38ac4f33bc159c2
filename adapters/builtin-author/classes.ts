import { clip } from './markdown.ts'
import type { Statement } from './statements.ts'

/** Where a requirement belongs: what the product does, or one of the ways it must be. */
export type Class =
  | 'functional'
  | 'performance'
  | 'reliability'
  | 'security'
  | 'observability'
  | 'platform'
  | 'process'
  | 'compliance'

/** The non-functional classes with their headings, in the order of the documents. */
export const classTitles: readonly (readonly [Exclude<Class, 'functional'>, string])[] = [
  ['performance', 'Performance and limits'],
  ['reliability', 'Reliability'],
  ['security', 'Security and privacy'],
  ['observability', 'Observability'],
  ['platform', 'Platform'],
  ['process', 'Process'],
  ['compliance', 'Compliance'],
]

const words: readonly (readonly [Class, RegExp])[] = [
  [
    'compliance',
    /\b(?:licen[cs]e[sd]?|copyright|GDPR|HIPAA|PCI|compliance|compliant|legal|law)\b|лиценз|закон|152-ФЗ|ФЗ-152|DSGVO|RGPD|Gesetz/iu,
  ],
  [
    'security',
    /\b(?:passwords?|encrypt\w*|hash(?:es|ed)|secure(?:ly)?|security|authenticat\w*|authori[sz]\w*|permissions?|signed in|sign in|log in|tokens?|secrets?|TLS|HTTPS|personal data|privacy|erase[sd]?|audit\w*|vulnerabilit\w*)\b|парол|шифр|безопасн|персональн|авториз|доступ (?:к|есть|имеют|только)|Passw[oö]rt|verschlüssel|sicher|personenbezogen|mot de passe|chiffr|sécurité|contraseña|cifrad|seguridad|密码|加密|安全|暗号/iu,
  ],
  [
    'performance',
    /\b(?:within|under|less than|at most|at least|up to|no more than)\s+[\d.,]{1,15}\s*(?:ms|milliseconds?|s|secs?|seconds?|kB|KB|MB|GB|requests?|users?|%)|\b(?:fast|quick|quickly|latency|throughput|performance|performant|concurrent\w*|scalab\w*|lightweight|p9[59]|memory|bundle size)\b|не (?:более|дольше|больше|менее) \d+|за \d+ секунд|быстр|производительн|одновременн|schnell|Latenz|gleichzeitig|rapide|latence|rápid|latencia|性能|高速|并发/iu,
  ],
  [
    'reliability',
    /\b(?:availab(?:le|ility) (?:\d|at least)|availability|uptime|reliab\w*|backups?|restore[sd]?|recover(?:y|s|ed)?|crash\w*|failover|retr(?:y|ies|ied)|durab\w*|survives?|idempotent|(?:delivered|sent|processed|run) (?:at least|exactly) once|restarts?|99\.?\d*\s?%)|доступность|резервн|восстанов|отказоустойчив|надёжн|надежн|перезапуск|Verfügbarkeit|zuverlässig|wiederherstell|disponibilité|sauvegarde|disponibilidad|respaldo|可用性|备份/iu,
  ],
  [
    'observability',
    /\b(?:logs?|logged|logging|metrics?|monitor\w*|trac(?:es|ing)|alerts?|health check|healthz?|standard error|stderr)\b|журнал|логи(?:р|\b)|метрик|мониторинг|Protokoll|protokollier|Überwach|journalis|surveill|registro de|métrica|日志|监控/iu,
  ],
  [
    'platform',
    /\b(?:requires?|runs on|works (?:in|on|with)|supports?|compatible with|built with|written in|needs?)\s+(?:\p{L}+\s+){0,3}(?:Node(?:\.js)?|Deno|Bun|Python|Java|Go|Rust|Ruby|PHP|\.NET|Docker|Kubernetes|Linux|macOS|Windows|PostgreSQL|MySQL|SQLite|Redis|browsers?|TypeScript|ES\d+|npm|yarn|pnpm)|\bNode(?:\.js)? (?:v?\d|>=)|zero (?:external )?dependenc|no dependenc|требу(?:ет|ется|ются).{0,30}(?:Node|Python|Docker|Linux|PostgreSQL)|benötigt.{0,30}(?:Node|Python|Docker|Linux)/iu,
  ],
  [
    'process',
    /\b(?:pull requests?|merge requests?|code review|commits?|branch(?:es)?|contributors?|CI|continuous integration|test coverage|tests? must|must be tested)\b|тест(?:ы|ами) (?:должн|обязат)|ревью|пулл?-?реквест|Merge[- ]Request/iu,
  ],
]

/** A statement that asks for something. `label` is it on one line with what it is a part of, for lists that point to it. */
export type Requirement = Statement & { readonly class: Class; readonly label: string }

/** The statements that are not non-goals, in README order. */
export function requirementsOf(statements: readonly Statement[]): readonly Requirement[] {
  return statements
    .filter(({ kind }) => kind !== 'non-goal')
    .map((statement) => {
      const { context, plain } = statement
      return {
        ...statement,
        class: classOf(statement),
        label: context === null ? plain : `${clip(context, 60)}: ${plain}`,
      }
    })
}

/** The class of a requirement, by its section first and its words second. */
function classOf(statement: Statement): Class {
  const { topic } = statement.section
  if (topic === 'licence') return 'compliance'
  if (topic === 'contributing' || topic === 'tests') return 'process'
  if (topic === 'observability') return 'observability'
  const byWords = words.find(([, pattern]) => pattern.test(statement.plain))?.[0]
  if (byWords !== undefined) return byWords
  return topic === 'limits' ? 'performance' : 'functional'
}

/** A figure with its unit and the limit it sets, in scripts that go on without a space behind it: `5分以内`. */
export const denseMeasure =
  /(?:最多|至少|不超过|不少于|少于|超过)?(?<![\d.])\d[\d.,]{0,14}\s?(?:毫秒|秒|分钟|分間|分|小时|時間|天|日|个月|週間|周|人|名|件|个|個|次|回|条|초|분|시간|일|주|개월|명|건|개)(?:以内|以下|以上|之内|未満|后|後|間| 이내| 안에| 이상| 이하)?/u

/** The parts of a requirement that a test can measure: numbers with their units, and the limit they set. At most four. */
export function measuresOf(plain: string): readonly string[] {
  const limit =
    /(?:(?:within|under|less than|more than|at most|at least|up to|no more than|after|before|every|for|не более(?: чем)?(?: за| через)?|не позднее(?: чем)?(?: через)?|не раньше(?: чем)?(?: через)?|не дольше|не менее|через|каждые|за|в течение|innerhalb von|höchstens|mindestens|nach|moins de|au plus|au moins|menos de|como máximo|al menos)\s+)?(?<![\p{L}\p{N}.])\d[\d.,  ]{0,14}(?:[-–]\d{1,9})?\s?(?:ms|milliseconds?|seconds?|secs?|s|minutes?|min|hours?|h|working days?|days?|weeks?|months?|years?|[kKMGT]i?B|kb|mb|gb|%|percent|requests?(?: per \p{L}+)?|users?|parcels?|items?|files?|rows?|characters?|digits?|attempts?|times|секунд\p{L}*|минут\p{L}*|час\p{L}*|дн\p{L}+|день|недел\p{L}*|месяц\p{L}*|лет|год\p{L}*|МБ|ГБ|КБ|символ\p{L}*|заказ\p{L}*|Sekunden?|Minuten?|Stunden?|Tagen?|secondes?|heures?|jours?|segundos?|horas?|días?)(?![\p{L}\p{N}])/giu
  const text = plain.slice(0, 2_000)
  const found = [...text.matchAll(limit), ...text.matchAll(new RegExp(denseMeasure, 'gu'))]
  return found
    .toSorted((a, b) => a.index - b.index)
    .slice(0, 4)
    .map(([measure]) => measure.trim())
}
