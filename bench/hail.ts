// A thread that sends webhook deliveries at a steady rate, whether or not the answers keep up, and reports on each.
import { createHmac, randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

/** What to send where; a secret of null forges. */
export type Hail = {
  readonly port: number
  readonly perSecond: number
  readonly seconds: number
  readonly secret: string | null
}

/** How long each answered delivery took from the moment it was due, and how often each status came. */
export type Hailed = {
  readonly times: readonly number[]
  readonly statuses: Readonly<Record<string, number>>
  readonly tookMs: number
}

if (parentPort) {
  const done = await hail(workerData as Hail)
  parentPort.postMessage(done, [])
}

async function hail({ port, perSecond, seconds, secret }: Hail): Promise<Hailed> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const times: number[] = []
  const statuses: Record<string, number> = {}
  const flying: Promise<void>[] = []
  const startedAt = performance.now()
  for (let n = 0; n < perSecond * seconds; n++) {
    const dueAt = startedAt + (n * 1000) / perSecond
    if (dueAt > performance.now()) await delay(Math.max(1, dueAt - performance.now()))
    flying.push(
      send({ agent, port, secret }, n).then((status) => {
        times.push(performance.now() - dueAt)
        statuses[status] = (statuses[status] ?? 0) + 1
      }),
    )
  }
  await Promise.all(flying)
  agent.destroy()
  return { times, statuses, tookMs: performance.now() - startedAt }
}

type Way = { readonly agent: Agent; readonly port: number; readonly secret: string | null }

/** One delivery of about the size of a small push. Answers with the status, or 0 when the connection broke. */
function send({ agent, port, secret }: Way, n: number): Promise<number> {
  const body = JSON.stringify({ action: 'opened', number: n, id: randomUUID(), text: 'x'.repeat(2_000) })
  const signature = secret === null ? '0'.repeat(64) : createHmac('sha256', secret).update(body).digest('hex')
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-github-event': 'pull_request',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': `sha256=${signature}`,
  }
  return new Promise((resolve) => {
    const sent = request(
      { agent, port, host: '127.0.0.1', method: 'POST', path: '/webhooks/github', headers },
      (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode ?? 0))
      },
    )
    sent.on('error', () => resolve(0))
    sent.end(body)
  })
}
