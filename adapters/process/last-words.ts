/**
 * The string of JSON that a pattern finds in what an agent printed; null where there is none. What it prints is its own, and may be
 * in any form and of any length: none of that is a failure of ours.
 */
export function wordsIn(printed: string, pattern: RegExp): string | null {
  try {
    const [, quoted] = pattern.exec(printed) ?? []
    return quoted === undefined ? null : (JSON.parse(quoted) as string)
  } catch {
    return null
  }
}

/** What Claude Code and Cursor's agent, which prints alike, say at their end. */
export const resultIn = (printed: string): string => wordsIn(printed, /"result":("(?:[^"\\]|\\.)*")/) ?? ''
