import type { RunCard } from './card.ts'
import type { Result } from './problem.ts'
import { accepted, refused } from './problem.ts'

type Meant = { readonly run: string; readonly gate: string | null; readonly sha256: string | null }

/**
 * A decision that still lacks its words, held to the one gate it can mean and the bytes that this gate shows now: it
 * decides nothing that opens while somebody looks for words. Refused where no words could make it count.
 */
export function pinGate<D extends Meant>(card: RunCard, decision: D): Result<D> {
  const meant = card.gates.filter(({ name, gateId }) => [null, name, gateId].includes(decision.gate))
  const open = meant.filter(({ verdict }) => verdict === null)
  const [only, ...more] = open
  if (!only) return refused('not_found', `Run ${card.handle} has no such open gate.`, `See /status ${card.handle}.`)
  if (more.length > 0) {
    const names = open.map(({ name }) => name).join(', ')
    return refused('usage', `Run ${card.handle} has ${open.length} open gates: ${names}.`, 'Name one with --gate.')
  }
  return accepted({ ...decision, gate: only.gateId, sha256: decision.sha256 ?? only.subject.artifact.sha256 })
}
