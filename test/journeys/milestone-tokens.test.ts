import { expect, test } from 'vitest'
import type { RunCard } from '../../core/model/card.ts'
import { openFoundry } from '../support/foundry.ts'
import { agreed, git, isAtEnd, isAtGate, startFactory } from '../support/house.ts'
import { until } from '../support/program.ts'
import { hasSandbox } from '../support/has-sandbox.ts'

/** Says whatever of the world outside can be seen from inside, and a line of the repository as the control. */
const look =
  'env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\\\0" "\\\\n"; grep -rhIs "ghs_" /work /home /tmp /qp /etc /run /dev/shm; echo looked'

test.runIf(hasSandbox)(
  'in a milestone each token of the App holds one repository and what its step needs, and none is to be seen in a sandbox',
  { timeout: 90_000 },
  async () => {
    const commands = [`${look}; echo '${look}' > tests.sh`]
    const foundry = await openFoundry({ host: 'github', commands })
    const { github, state } = foundry
    if (github === null) throw new Error('no GitHub')
    const readme = '# Shop\n\nA shop.\n\n## Paying\n\n- Customers must pay by card.\n'
    const control = 'ghs_control-of-the-repository'
    const files = { 'README.md': readme, Makefile: 'test:\n\tsh tests.sh\n', 'notes.txt': `${control}\n` }
    const shop = await github.repository('olivia/shop', files)
    github.state.beforeAnswer = (line) => {
      const [, sha] = /\/commits\/(\w+)\/check-runs$/.exec(line) ?? []
      const done = { externalId: null, name: 'ci', status: 'completed', conclusion: 'success', summary: '' }
      if (sha !== undefined) shop.checkRuns.push({ ...done, id: 900 + shop.checkRuns.length, sha })
      return Promise.resolve()
    }
    const worker = await foundry.start()
    const handle = await startFactory(state, shop.address)
    const shows = async (isThere: (card: RunCard) => boolean): Promise<boolean> => {
      const reply = agreed(await state.ask({ kind: 'status', run: handle, page: 1 }))
      return reply.kind === 'card' && isThere(reply.card)
    }
    for (const gate of ['anchor', 'first-merge', 'M-001']) {
      const isOpen = (card: RunCard): boolean =>
        isAtGate(card) && card.gates.some(({ name, verdict }) => name === gate && verdict === null)
      await until(() => shows(isOpen), gate)
      agreed(await state.ask({ kind: 'approve', run: handle, gate: null, sha256: null }))
    }
    await until(() => shows(isAtEnd), 'the end')
    expect(await git(shop.folder, 'log', '-1', '--format=%s', 'main')).toContain('(M-001)')

    const { tokens } = github.state
    expect(new Set(tokens.map(({ repositories }) => JSON.stringify(repositories)))).toEqual(
      new Set(['["olivia/shop"]']),
    )
    const saying = (each: Readonly<Record<string, string>> | null): string =>
      Object.entries(each ?? {})
        .filter(([name]) => name !== 'metadata')
        .map(([name, level]) => `${name}:${level}`)
        .toSorted()
        .join(' ')
    expect([...new Set(tokens.map(({ permissions }) => saying(permissions)))].toSorted()).toEqual([
      'checks:read statuses:read',
      'checks:write',
      'contents:read',
      'contents:write',
      'contents:write pull_requests:read',
      'pull_requests:write',
    ])
    for (const { expiresAt } of tokens) expect(expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
    await expect.poll(() => tokens.filter(({ revoked }) => !revoked)).toEqual([])

    const said = agreed(await state.ask({ kind: 'artifacts', run: handle, name: 'M-001/test-1.txt' }))
    const [inTests, inAgent] = [said.kind === 'file' ? said.text : '', foundry.heard.join('\n')]
    for (const seen of [inTests, inAgent]) {
      expect(seen, 'it looked').toContain('looked')
      expect(seen, 'and saw what there was').toContain(control)
      expect(seen).not.toContain('ghs_canary')
    }
    expect(await worker.kill({ graceMs: 15_000 })).toMatchObject({ exitCode: 0 })
  },
)
