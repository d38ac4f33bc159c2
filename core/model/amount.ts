/** Money in millionths of a US dollar, and tokens. */
export type Amount = { readonly micros: number; readonly tokens: number }
