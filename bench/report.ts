import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { arch, cpus, platform, totalmem } from 'node:os'
import { join } from 'node:path'

/** One measured figure; without a bound it is shown for orientation and cannot be missed. */
export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bound?: { readonly atLeast: number } | { readonly atMost: number }
  /** What the figure was made of: samples, the other side of a ratio. */
  readonly note?: string
}

export type Verdict = 'ok' | 'MISSED' | ''

/** Whether the figure keeps its bound; empty when it has none. */
export function verdictOf({ value, bound }: Figure): Verdict {
  if (!bound) return ''
  return ('atLeast' in bound ? value >= bound.atLeast : value <= bound.atMost) ? 'ok' : 'MISSED'
}

/** `name  figure  target  ok|MISSED`, and the note. */
export function lineOf(figure: Figure): string {
  const { name, value, unit, bound, note } = figure
  const target = !bound ? '' : 'atLeast' in bound ? `>= ${rounded(bound.atLeast)}` : `<= ${rounded(bound.atMost)}`
  const columns = [
    name.padEnd(52),
    `${rounded(value)} ${unit}`.padEnd(16),
    target.padEnd(10),
    verdictOf(figure).padEnd(7),
  ]
  return [...columns, note ?? ''].join(' ').trimEnd()
}

/** Three significant digits, and whole numbers from a hundred on. */
export const rounded = (value: number): string =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))

/** The middle of the values, the lower one of two. Throws when there are none. */
export const median = (values: readonly number[]): number => percentile(values, 50)

/** Nearest rank: the least value that `percent` of the values do not exceed. Throws when there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)]
  if (value === undefined) throw new RangeError('a percentile of no values')
  return value
}

/** What the figures were measured on. */
export type Machine = {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly postgres: string
  /** Median of 200 appends of 8 kB, each followed by fdatasync, where the database is. */
  readonly fdatasyncMs: number
}

/** Looks at this machine; `folder` is on the database's disk. */
export function machine(folder: string, postgres: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${arch()}`,
    node: process.version,
    postgres,
    fdatasyncMs: Number(fdatasyncMs(folder).toFixed(3)),
  }
}

function fdatasyncMs(folder: string): number {
  const file = join(folder, 'fdatasync')
  const handle = openSync(file, 'w')
  const page = Buffer.alloc(8192, 1)
  const times = Array.from({ length: 200 }, () => {
    const startedAt = performance.now()
    writeSync(handle, page)
    fdatasyncSync(handle)
    return performance.now() - startedAt
  })
  closeSync(handle)
  rmSync(file)
  return median(times)
}
