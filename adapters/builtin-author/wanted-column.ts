/** How much a row is wanted, as its table says beside it: MoSCoW's words, in the languages people write them in. */
export type Rank = 'must' | 'should' | 'non-goal'

/** Of a table that lists requirements: the column that words them, and the one that ranks them, where there is one. */
export type WantedColumns = { readonly wanted: number; readonly rank: number | null }

const asks =
  /^(?:(?:user|system|business|functional|non-?functional) )?(?:requirements?|stor(?:y|ies))$|^(?:требовани[ея]|anforderung(?:en)?|exigences?|requisitos?|requisit[oi]|wymagani[ea]|вимог[аи]|需求|要求|要件|요구사항)$/iu
const features =
  /^(?:features?|functions?|functionality|capabilit(?:y|ies)|функци[яи]|возможност[ьи]|funktion(?:en)?|merkmale?|fonctionnalités?|funcionalidad(?:es)?|características?|funzionalità|功能|特性|機能|기능)$/iu
const describes =
  /^(?:descriptions?|details?|what it does|описание|beschreibung|descripción|descrizione|descrição|opis|опис|说明|描述|説明|설명)$/iu
const ranks =
  /^(?:priority|prio\.?|moscow|importance|приоритет|priorität|priorité|prioridad|priorità|prioridade|priorytet|пріоритет|优先级|優先度|우선순위)$/iu
const numbers = /^(?:ids?|#|no\.?|nr\.?|№|n°|ref\.?|key|code|编号|番号|번호)$/iu

const ranked: readonly (readonly [Rank, RegExp])[] = [
  [
    'non-goal',
    /^(?:w|won['’]?t(?:[ -]have)?|will not(?:[ -]have)?|out of scope|не (?:будет|входит|делаем)|wird nicht|kein ziel)$/iu,
  ],
  [
    'must',
    /^(?:m|must(?:[ -]have)?|mandatory|required|обязательн[оаы]|должн[оаы]|muss|pflicht|doit|obligatoire|debe|obligatorio|必须|必須|필수)$/iu,
  ],
  [
    'should',
    /^(?:s|c|should(?:[ -]have)?|could(?:[ -]have)?|nice[ -]to[ -]have|optional|желательно|следует|можно|soll(?:te)?|kann|devrait|pourrait|debería|podría|应该|可以)$/iu,
  ],
]

/** What a cell says about the row that it stands in; null when it says something else, such as "High". */
export function rankOf(cell: string): Rank | null {
  const word = cell.slice(0, 60).replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
  return ranked.find(([, words]) => words.test(word))?.[0] ?? null
}

/**
 * A table lists requirements when a column is headed so; when one is headed "Feature" or, behind a column of numbers,
 * "Description", below a heading about features; or when a column ranks its rows. Any other table is null.
 */
export function wantedColumns(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  isAboutFeatures: boolean,
): WantedColumns | null {
  const titles = header.map((cell) => cell.replace(/[*_`:]/g, '').trim())
  const find = (pattern: RegExp): number | null => {
    const at = titles.findIndex((title) => pattern.test(title))
    return at < 0 ? null : at
  }
  const byTitle = find(ranks)
  const rank = byTitle ?? columnThat(titles, (at) => isMoscow(rows.map((row) => row[at] ?? '')))
  const says = find(describes)
  const isClausal = (at: number): boolean => clausal(rows.map((row) => row[at] ?? ''))
  const named = find(asks) ?? (isAboutFeatures || rank !== null ? find(features) : null)
  if (named !== null) return { wanted: says !== null && !isClausal(named) ? says : named, rank }
  if (says !== null && (rank !== null || (isAboutFeatures && numbers.test(titles[0] ?? ''))))
    return { wanted: says, rank }
  if (rank === null || byTitle !== null) return null
  const worded = columnThat(titles, (at) => at !== rank && isClausal(at))
  return worded === null ? null : { wanted: worded, rank }
}

function columnThat(titles: readonly string[], holds: (at: number) => boolean): number | null {
  const at = titles.findIndex((_, column) => holds(column))
  return at < 0 ? null : at
}

/** Ranks and nothing else, in words that no column of options uses. */
function isMoscow(cells: readonly string[]): boolean {
  const said = cells.filter((cell) => cell.trim() !== '')
  return (
    said.length > 0 &&
    said.every((cell) => /^\P{L}*(?:must|should|could|won['’]?t)\b/iu.test(cell) && rankOf(cell) !== null)
  )
}

/** At least half of the cells have three words, or five characters of a script that is written without spaces. */
function clausal(cells: readonly string[]): boolean {
  const said = cells.filter((cell) => cell.trim() !== '')
  const clauses = said.filter(
    (cell) =>
      (cell.match(/[\p{L}\p{N}'’_-]+/gu)?.length ?? 0) >= 3 ||
      /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]{5}/u.test(cell),
  )
  return said.length > 0 && clauses.length * 2 >= said.length
}
