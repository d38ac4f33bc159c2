/** Money in millionths of a US dollar, and tokens. */
export type Amount = { readonly micros: number; readonly tokens: number }

/** `$1.50`, from millionths. */
export const dollars = (micros: number): string => `$${(micros / 1_000_000).toFixed(2)}`
