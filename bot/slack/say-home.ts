import type { GateCard } from '../../core/model/card.ts'
import { sayGate } from '../phrase.ts'

/** The open gates, each with how to decide it from any conversation. */
export const sayHome = (gates: readonly GateCard[]): readonly string[] =>
  gates.length === 0
    ? ['Nothing waits for a decision.']
    : gates.flatMap((gate) => [`Run ${gate.handle}, gate ${gate.name}`, ...sayGate(gate), ...sayHow(gate), ''])

const sayHow = ({ handle, name }: GateCard): readonly string[] => [
  `  Decide: /qp approve ${handle} ${name}, /qp changes ${handle} <what>, or /qp reject ${handle} <reason>`,
]
