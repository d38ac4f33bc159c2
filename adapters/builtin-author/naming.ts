/** Something the README names, with the line that names it first. */
export type Named = { readonly name: string; readonly line: number; readonly says: string | null }

/** Splits "Name: what it is" and "Name - what it is"; without a separator the whole text is the name. */
export function headOf(plain: string): { readonly name: string; readonly says: string | null } {
  const match = /^(.{1,80}?)\s*(?::|：|\s[–—-]{1,2})\s+(\S.*)$/u.exec(plain)
  return match === null ? { name: plain, says: null } : { name: match[1] ?? plain, says: match[2] ?? null }
}
