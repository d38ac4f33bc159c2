/** Money in millionths of a US dollar, and tokens. */
export type Amount = { readonly micros: number; readonly tokens: number }

/** `$1.50`, from millionths; below a cent the first digit that counts, `$0.003`. */
export function dollars(micros: number): string {
  const usd = micros / 1_000_000
  return `$${usd > 0 && usd < 0.005 ? usd.toPrecision(1) : usd.toFixed(2)}`
}
