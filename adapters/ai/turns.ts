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

/** `fetch` whose answer comes in as before, each piece in a turn of its own. */
export const fetchInTurns: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init)
  if (answer.body === null) return answer
  const inTurns = new TransformStream<Uint8Array, Uint8Array>({
    transform: async (piece, out) => {
      await nextTurn()
      out.enqueue(piece)
    },
  })
  return new Response(answer.body.pipeThrough(inTurns), answer)
}
