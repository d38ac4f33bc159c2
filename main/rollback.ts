import { createHash } from 'node:crypto'
import type { GitHubEvent } from '../adapters/github/webhook.ts'
import type { Desk } from '../core/commands/desk.ts'
import { execute } from '../core/commands/execute.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import type { Actor } from '../core/model/actor.ts'
import { systemActor } from '../core/model/actor.ts'
import { handleOf } from '../core/model/handle.ts'
import type { CodeHost, LabelRequests } from '../core/ports.ts'
import { findPullRequestEffects } from '../core/store/pull-request.ts'

type Label = Extract<GitHubEvent, { kind: 'label' }>

/** What a label on a merged pull request of ours asks for. */
const rollbackLabel = 'rollback:request'

/** Accounts of a code host belong to nobody here, so that nobody is said to have asked who did not. */
const unattended: Actor = {
  id: systemActor,
  roles: ['operator'],
  lent: [],
  label: 'GitHub',
  surface: 'github',
  at: null,
}

type Counter = {
  readonly desk: Desk
  readonly codeHost: CodeHost
  readonly labels: LabelRequests
  readonly log: EngineLog
}

/** As long as GitHub may take for the calls that one event needs. */
const timeoutMs = 60_000

/**
 * Starts an undo of the merge behind a pull request on which somebody who may write there has put the label; its gate
 * decides. Whatever is not to be undone is said on the pull request. May be repeated. Answers how many runs were started.
 */
export const rollBack =
  ({ desk, codeHost, labels, log }: Counter) =>
  async ({ label, url, number, by, mergeCommit }: Label, deliveryId: string): Promise<number> => {
    if (label !== rollbackLabel || mergeCommit === null) return 0
    const [found] = await desk.db.run(findPullRequestEffects, { url })
    if (!found?.address || !codeHost.serves(found.address)) return 0
    const { address } = found
    const signal = AbortSignal.timeout(timeoutMs)
    if (!(await labels.mayWrite(address, by, signal))) {
      log('warn', 'a rollback was asked for by somebody who may not write to the repository', { url })
      return 0
    }
    const run = handleOf(found.number)
    const order = { kind: 'undo', run, commit: mergeCommit, label: { address, number, name: label } } as const
    const answer = await execute(desk, unattended, order, deliveryId)
    if (answer.ok) return 1
    const { message, next } = answer.refusal
    log('info', 'a rollback was asked for and refused', { url, why: message })
    const key = createHash('sha256').update(`rollback ${deliveryId}`).digest('hex')
    const body = `Nothing is undone: ${message}${next ? ` ${next}` : ''}`
    await codeHost.comment({ address, number, body, key }, signal)
    await labels.removeLabel({ address, number, name: label }, signal)
    return 0
  }
