/** What connections fail with before anything went over them. */
const unreached: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Whether nobody was there to take a call, from the cause of what `fetch` threw. */
export const isUnreached = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && unreached.has(cause.code)
