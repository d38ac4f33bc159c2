/**
 * Resolves in a turn of the event loop that nobody else was given. To begin a call, or to read a piece of its answer, is
 * milliseconds of work: a thousand in one turn kept the heartbeat waiting for longer than a lease.
 */
export function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => new Promise((resolve) => void setImmediate(resolve)))
  return lastTurn
}

/** One for all models: they share the process. */
let lastTurn = Promise.resolve()

/** `fetch` whose answer comes in as before, each piece in a turn of its own; its end too, also where the connection broke. */
export const fetchInTurns: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init)
  if (answer.body === null) return answer
  const reader: ReadableStreamDefaultReader<Uint8Array> = answer.body.getReader()
  const inTurns = new ReadableStream<Uint8Array>({
    pull: async (out) => {
      const read = reader.read()
      await Promise.allSettled([read])
      await nextTurn()
      const { done, value } = await read
      if (done) out.close()
      else out.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return new Response(inTurns, answer)
}
