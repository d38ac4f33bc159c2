import { dollars } from '../core/model/amount.ts'

/** `$0`, `$1.50`. */
export const sayMoney = (micros: number): string => (micros === 0 ? '$0' : dollars(micros))

/** `2026-11-23 14:05 UTC`. */
export const sayTime = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const draw = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [draw(head), ...rows.map(draw)]
}
