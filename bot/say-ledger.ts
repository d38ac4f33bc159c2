import type { LedgerLine } from '../core/model/card.ts'
import { counted } from '../core/model/counted.ts'
import { sayMoney } from './layout.ts'
import { quoted } from './quoted.ts'

const ledgerShown = 8

/** Where the money went, the dearest first: `███░░ 63 % · implement M-001 · agent with openai/gpt-5.5 · 12 calls · $0.40 · 80,000 tokens`. */
export function sayLedger(ledger: readonly LedgerLine[]): readonly string[] {
  // Where nothing costs money, as with a model of one's own, tokens say where it went.
  const isFree = ledger.every(({ spentMicros }) => spentMicros === 0)
  const sizeOf = ({ spentMicros, spentTokens }: LedgerLine): number => (isFree ? spentTokens : spentMicros)
  const all = ledger.reduce((sum, line) => sum + sizeOf(line), 0)
  const together = inOne(ledger).toSorted((one, other) => sizeOf(other) - sizeOf(one))
  const lines = together.slice(0, ledgerShown).map((line) => {
    const { step, purpose, calls, spentMicros, spentTokens, reservedMicros } = line
    const reserved = reservedMicros > 0 ? ` (${sayMoney(reservedMicros)} reserved)` : ''
    const share = all === 0 ? [] : [sayShare(sizeOf(line) / all)]
    const used = [counted(calls, 'call'), `${sayMoney(spentMicros)}${reserved}`, counted(spentTokens, 'token')]
    return `  ${[...share, quoted(step), quoted(purpose), ...used].join(' · ')}`
  })
  const more = together.length - lines.length
  return more > 0 ? [...lines, `  and ${more} more`] : lines
}

/** All rounds of a step in one line, and the documents that a model wrote in it: a list of each by itself says nothing. */
function inOne(ledger: readonly LedgerLine[]): readonly LedgerLine[] {
  const byWork = new Map<string, { readonly lines: LedgerLine[]; readonly documents: Set<string> }>()
  for (const line of ledger) {
    const step = line.step.replace(/#\d+$/, '')
    const [, document, by] = /^writing (docs\/\S+) (.+)$/.exec(line.purpose) ?? []
    const key = JSON.stringify([step, document === undefined ? line.purpose : ['documents', by]])
    const work = byWork.get(key) ?? { lines: [], documents: new Set() }
    work.lines.push({ ...line, step })
    if (document !== undefined) work.documents.add(document)
    byWork.set(key, work)
  }
  return [...byWork.values()].flatMap(({ lines, documents }) => {
    const [first] = lines
    if (first === undefined) return []
    const sum = (pick: (line: LedgerLine) => number): number => lines.reduce((total, line) => total + pick(line), 0)
    return {
      step: first.step,
      purpose: documents.size < 2 ? first.purpose : first.purpose.replace(/docs\/\S+/, `${documents.size} documents`),
      calls: sum(({ calls }) => calls),
      spentMicros: sum(({ spentMicros }) => spentMicros),
      spentTokens: sum(({ spentTokens }) => spentTokens),
      reservedMicros: sum(({ reservedMicros }) => reservedMicros),
    }
  })
}

/** `███░░ 63 %`. */
function sayShare(share: number): string {
  const full = Math.round(share * 5)
  return `${'█'.repeat(full)}${'░'.repeat(5 - full)} ${Math.round(share * 100)} %`
}
