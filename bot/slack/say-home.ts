import type { Reply } from '../../core/commands/command.ts'
import type { GateCard } from '../../core/model/card.ts'
import { sayGate } from '../phrase.ts'

type Open = Pick<Extract<Reply, { kind: 'gates' }>, 'gates' | 'hasMore'>

/** Whoever looks at the tab. */
type Me = Pick<Extract<Reply, { kind: 'whoami' }>, 'pseudonym' | 'roles'>

/** The open gates, those first that wait for whoever looks, each of them with how to decide it from any conversation. */
export function sayHome({ gates, hasMore }: Open, me: Me): readonly string[] {
  const mine = gates.filter((gate) => isFor(gate, me))
  const others = gates.filter((gate) => !isFor(gate, me))
  if (gates.length === 0) return ['Nothing waits for a decision.']
  return [
    ...(mine.length === 0 ? ['Nothing waits for you.', ''] : [`For you: ${mine.length}`, '']),
    ...mine.flatMap((gate) => [...sayOne(gate), ...sayHow(gate), '']),
    ...(others.length === 0 ? [] : [`For others: ${others.length}`, '']),
    ...others.flatMap((gate) => [...sayOne(gate), '']),
    ...(hasMore ? ['These wait longest. More: /qp gates 2'] : []),
  ]
}

/** Whether their roles fit; the gate itself looks again, and knows about four eyes, when they decide. */
function isFor({ roles, people, escalated }: GateCard, me: Me): boolean {
  const holds = (wanted: GateCard['roles']): boolean => wanted.some((role) => me.roles.includes(role))
  return ((people?.includes(me.pseudonym) ?? true) && holds(roles)) || holds(escalated?.roles ?? [])
}

const sayOne = (gate: GateCard): readonly string[] => [`Run ${gate.handle}, gate ${gate.name}`, ...sayGate(gate)]

const sayHow = ({ handle, name }: GateCard): readonly string[] => [
  `  Decide: /qp approve ${handle} ${name}, /qp changes ${handle} <what>, or /qp reject ${handle} <reason>`,
]
