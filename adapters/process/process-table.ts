import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** What the system says about a process. `startedAt` tells it from a later one with the same number; '' is unknown. */
export type ProcessEntry = { readonly name: string | null; readonly startedAt: string }

/** The process with this number, or null when none runs. A zombie has ended. */
export async function findProcess(pid: number): Promise<ProcessEntry | null> {
  if (!isRunning(pid)) return null
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  return text === null ? { name: null, startedAt: '' } : parseStat(text)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** `pid (name) state … start time`, the 22nd field; the name may hold spaces and brackets. See proc_pid_stat(5). */
export function parseStat(text: string): ProcessEntry | null {
  const close = text.lastIndexOf(')')
  const fields = text.slice(close + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return null
  return { name: text.slice(text.indexOf('(') + 1, close), startedAt: fields[19] ?? '' }
}

/** A name for this process that no other has, before or after it. */
export async function processName(): Promise<string> {
  const entry = await findProcess(process.pid)
  return `${process.pid}-${entry?.startedAt ?? ''}-${randomUUID()}`
}

/** Whether the process that was given this name still runs. */
export async function isRunningStill(name: string): Promise<boolean> {
  const [pid, startedAt] = name.split('-')
  const entry = await findProcess(Number(pid))
  return entry !== null && entry.startedAt === startedAt
}
