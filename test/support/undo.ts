import type { RunCard } from '../../core/model/card.ts'
import { agreed, cardWhen, git, isAtGate, type TestHouse } from './house.ts'

/** Two milestones. */
export const readme = `# Shop

A shop for parts.

## Paying

- Customers must pay by card.

## Refunds

- A clerk can refund an order.
`

/** Runs without a package of anybody's. */
export const makefile = 'test:\n\tsh tests.sh\n'

/** Says yes at a gate of this name once it is open; answers with the card that showed it. */
export async function approve(house: TestHouse, handle: string, gate: string): Promise<RunCard> {
  const isOpen = ({ name, verdict }: RunCard['gates'][number]): boolean => name === gate && verdict === null
  const card = await cardWhen(house, handle, (it) => isAtGate(it) && it.gates.some(isOpen))
  agreed(await house.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
  return card
}

/** Asks for an undo, and answers with its handle. */
export async function undo(house: TestHouse, run: string, commit: string | null = null): Promise<string> {
  const reply = agreed(await house.ask({ kind: 'undo', run, commit }))
  if (reply.kind !== 'started') throw new Error(reply.kind)
  return reply.card.handle
}

/** The first of them alone. */
export const oneMilestone = readme.split('## Refunds')[0] ?? ''

/** What became of each effect, newest first. */
export const outcomes = ({ takenBack }: RunCard): readonly string[] => takenBack.map(({ outcome }) => outcome)

/** All branches and tags of a repository. */
export const refsOf = (folder: string): Promise<string> => git(folder, 'for-each-ref', '--format=%(refname)')

/** The files of a commit, as one id. */
export const treeOf = (folder: string, commit: string): Promise<string> => git(folder, 'rev-parse', `${commit}^{tree}`)
