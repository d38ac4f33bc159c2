import { type GitHubEvent, understand } from '../adapters/github/webhook.ts'
import { checksChanged } from '../core/commands/checks.ts'
import { endPullRequest } from '../core/commands/pull-request.ts'
import type { EngineLog } from '../core/engine/settings.ts'
import { assert } from '../core/model/problem.ts'
import type { Database } from '../core/store/database.ts'
import type { IncomingEvent } from './intake.ts'

/**
 * Does what an event of GitHub asks for: a run hears what became of its pull request, and that checks of its commit have
 * something to say. All else is over once it is read, also what is about repositories that are not ours. May be repeated.
 */
export const hearGitHub =
  (db: Database, log: EngineLog, onLabel: OnLabel | null = null) =>
  async ({ topic, body, deliveryId }: IncomingEvent): Promise<void> => {
    const event = understand(topic, body)
    assert(event, `GitHub sent a ${topic} of a shape we do not know`)
    const runs = event.kind === 'label' ? ((await onLabel?.(event, deliveryId)) ?? 0) : await heard(db, event)
    log('info', 'GitHub said something', { event: event.kind, runs })
  }

/** Does what a label asks for; answers how many runs it set going. */
type OnLabel = (event: Extract<GitHubEvent, { kind: 'label' }>, deliveryId: string) => Promise<number>

async function heard(db: Database, event: GitHubEvent): Promise<number> {
  if (event.kind === 'pull_request') return await endPullRequest(db, event)
  if (event.kind === 'checks') return await checksChanged(db, event.commit)
  return 0
}
