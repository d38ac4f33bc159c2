import { setTimeout as delay } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { z } from 'zod'

// Asks an address again and again from a thread of its own, and counts what it hears where the other thread can read it
// without its event loop: [answered, not answered in time].

const { url, timeoutMs, counts } = z
  .object({ url: z.string(), timeoutMs: z.number(), counts: z.instanceof(SharedArrayBuffer) })
  .parse(workerData)

const heard = new Int32Array(counts)
for (;;) {
  const isAlive = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).then(
    ({ ok }) => ok,
    () => false,
  )
  Atomics.add(heard, isAlive ? 0 : 1, 1)
  await delay(20)
}
