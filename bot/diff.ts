/** Lines taken away, then lines added; a line that only moved is neither. */
export function diffLines(before: string | null, after: string): readonly string[] {
  const fresh = after.split('\n')
  if (before === null) return fresh.map((line) => `+ ${line}`)
  const old = before.split('\n')
  const [kept, keptFresh] = [new Set(fresh), new Set(old)]
  return [
    ...old.filter((line) => !kept.has(line)).map((line) => `- ${line}`),
    ...fresh.filter((line) => !keptFresh.has(line)).map((line) => `+ ${line}`),
  ]
}
