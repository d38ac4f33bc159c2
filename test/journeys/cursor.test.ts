import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import { openCursor } from '../support/cursor.ts'
import { openFoundry } from '../support/foundry.ts'
import { hasSandbox } from '../support/has-sandbox.ts'
import { agreed, cardWhen, git, isAtEnd, isAtGate, makeRepository, startFactory } from '../support/house.ts'

const readme = '# Shop\n\nA shop for parts.\n\n## Paying\n\n- Customers must pay by card.\n'
const files = { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n' }

const commands = [
  "printf '# R: pay by card\\necho paid\\n' > shop.sh && printf 'sh shop.sh | grep -q paid\\n' > tests.sh",
  'env; cat ~/.cursor/*; ls /qp/agent; cat /etc/shadow; cat /proc/*/environ | tr "\\0" "\\n"',
]

const isOpen =
  (gate: string) =>
  (card: RunCard): boolean =>
    isAtGate(card) && card.gates.some(({ name, verdict }) => name === gate && verdict === null)

test.runIf(hasSandbox)(
  'Cursor’s agent takes a repository from its README to a merged milestone, and never sees the key',
  { timeout: 90_000 },
  async () => {
    const server = await openCursor({ commands })
    const folder = join(import.meta.dirname, '../agents/cursor-agent')
    const variables = {
      QP_AGENT: 'cursor',
      CURSOR_API_KEY: server.key,
      CURSOR_API_ENDPOINT: server.url,
      QP_CURSOR_MODEL: 'composer-2',
      QP_CURSOR_TURN_USD: '0.25',
      QP_CURSOR_TURN_TOKENS: '1000',
    }
    const foundry = await openFoundry({ host: 'folder', commands: [], agent: { folder, variables } })
    const { state } = foundry
    await foundry.start()
    const settings = 'models: { dev: { model: composer-2, max_output_tokens: 100 } }\n'
    const shop = await makeRepository(state, 'shop', { ...files, 'quantapilot.yml': settings })
    const handle = await startFactory(state, shop)
    for (const gate of ['anchor', 'first-merge', 'M-001']) {
      await cardWhen(state, handle, isOpen(gate))
      agreed(await state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    const card = await cardWhen(state, handle, isAtEnd)
    expect(card).toMatchObject({ state: 'succeeded', money: { spentMicros: 250_000, reservedMicros: 0 } })
    const unkept =
      'models.dev.max_output_tokens: nothing holds cursor to it, because only its own servers can read its calls.'
    expect(card.outlook?.clamped, 'what cannot be kept is said').toEqual([unkept])
    expect(await git(shop, 'show', 'main:shop.sh')).toContain('echo paid')
    const said = agreed(await state.ask({ kind: 'artifacts', run: handle, name: 'M-001/agent-1.txt' }))
    expect(said.kind === 'file' && said.text).toContain('All done.')

    const [question = '', wrote = '', found = ''] = server.calls.flatMap(({ path, text }) =>
      path.endsWith('/BidiAppend') ? [text] : [],
    )
    expect(question).toContain('Customers must pay by card')
    expect(question).toContain('composer-2')
    expect(wrote).toContain('output')
    expect(found, 'it ran, and looked around').toContain('useHttp1ForAgent')
    expect(found).toContain('index.mjs')
    for (const secret of [server.key, 'session-1', server.url]) expect(found).not.toContain(secret)
    expect(server.calls.filter(({ path }) => path.includes('Analytics'))).toEqual([])
    const allowed = new Set([`Bearer ${server.key}`, 'Bearer session-1'])
    expect(server.calls.every(({ headers }) => allowed.has(headers.authorization ?? ''))).toBe(true)
  },
)
