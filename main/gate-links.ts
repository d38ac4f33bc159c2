import { createHash } from 'node:crypto'
import { readButton } from '../bot/cards.ts'
import type { GateLink, GatePages } from '../bot/mail/page.ts'
import { createGatePages } from '../bot/mail/page.ts'
import type { Board, Button, Post } from '../bot/surface.ts'
import type { Desk } from '../core/commands/desk.ts'
import { execute } from '../core/commands/execute.ts'
import { cardOf } from '../core/commands/show.ts'
import type { Actor } from '../core/model/actor.ts'
import { handleOf } from '../core/model/handle.ts'
import { refused } from '../core/model/problem.ts'
import { erased } from '../core/store/people.ts'
import { findGateLink, insertGateLink } from '../core/store/mailbox.ts'

type Linking = {
  readonly desk: Desk
  /** The token of a card's link, from the key of its buttons: 256 bits that nobody without our secret can derive. */
  readonly tokenOf: (cardKey: string) => string
  /** Called when there may be something to tell. */
  readonly onChange: () => void
}

/**
 * A board of mail whose buttons are links: a gate in somebody's own mailbox gets one, to a page that asks; all else gets
 * none, because a mailbox that several people read decides nothing. Without `linking` nothing has a link.
 */
export function withLinks(board: Board, linking: Pick<Linking, 'desk' | 'tokenOf'> | null): Board {
  const linked = async (post: Post): Promise<Post> => ({
    ...post,
    buttons: linking ? await linksOf(linking, post) : [],
  })
  return {
    name: board.name,
    paceMs: board.paceMs,
    post: async (address, post) => board.post(address, await linked(post)),
    edit: async (address, place, post) => board.edit(address, place, await linked(post)),
  }
}

async function linksOf({ desk, tokenOf }: Pick<Linking, 'desk' | 'tokenOf'>, post: Post): Promise<readonly Button[]> {
  const approve = post.buttons.map(({ data }) => readButton(data)).find((button) => button?.verb === 'approve')
  if (!approve) return []
  const token = tokenOf(approve.key)
  const [link] = await desk.db.run(insertGateLink, { key: approve.key, sha256: hashOf(token) })
  return link ? [{ label: 'Read it and decide', data: token, style: 'primary', confirm: null }] : []
}

/** The pages behind the links. Each request finds out anew what its link is worth and what its person may do. */
export function openGatePages({ desk, onChange }: Omit<Linking, 'tokenOf'>): GatePages {
  const find = async (token: string): Promise<(GateLink & { readonly actor: Actor }) | null> => {
    const [row] = await desk.db.run(findGateLink, { sha256: hashOf(token) })
    if (!row) return null
    const address = await desk.people.openAddress(row.subjectId, row.sealedAddress)
    const card = await cardOf(desk, handleOf(row.number))
    const gate = card.ok ? card.value.gates.find(({ gateId }) => gateId === row.gateId) : undefined
    if (address === null || !card.ok || !gate) return null
    const label = (await desk.people.labelsOf(desk.db, [row.actorId])).get(row.actorId) ?? erased
    return {
      gate,
      project: card.value.project?.name ?? null,
      actor: { id: row.actorId, roles: row.roles, lent: row.lent, label, surface: 'mail', at: row.destinationId },
    }
  }
  return createGatePages({
    find,
    decide: async (token, command, deliveryId) => {
      const link = await find(token)
      if (link === null) return refused('not_found', 'This link is no longer good.', 'Decide in chat.')
      const answer = await execute(desk, link.actor, command, deliveryId)
      onChange()
      return answer
    },
  })
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
