/** Between tries of a database that is away: a little at first, a second at most, and no longer than the signal lets. */
export function pauseAfter(tries: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, Math.min(1_000, 5 * 2 ** tries))
    signal.addEventListener('abort', finish)
  })
}
