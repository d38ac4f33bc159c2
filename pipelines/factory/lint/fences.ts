/**
 * Tells, line after line, what is fenced code; `opens` and `closes` are the fences themselves. Fences inside of lists and quotes
 * are not followed, so a caller may take code for text there, never text for code.
 */
export function followFences(): (line: string) => 'text' | 'opens' | 'code' | 'closes' {
  let fence: string | null = null
  return (line) => {
    const mark = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[1]
    if (fence === null) {
      fence = mark ?? null
      return mark === undefined ? 'text' : 'opens'
    }
    const isEnd = mark?.startsWith(fence) && line.trim() === mark
    if (isEnd) fence = null
    return isEnd ? 'closes' : 'code'
  }
}
