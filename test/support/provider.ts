import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { createLanguageModel } from '../../adapters/ai/language-model.ts'
import { startProcess } from '../../adapters/process/run.ts'
import type { LanguageModel, ModelRequest } from '../../core/ports.ts'

/** A provider that begins each answer and ends it when it is told to, and a model of its. */
export type Provider = {
  readonly model: LanguageModel
  /** How many calls wait there now. */
  readonly held: () => Promise<number>
  /** Ends the answers to all calls that wait. */
  readonly release: () => Promise<void>
  /** Breaks off all calls that wait. */
  readonly breakOff: () => Promise<void>
}

/** More than a test takes. */
const patience = { totalMs: 600_000, idleMs: 600_000 }

/** What it is asked in these tests. */
export const question: ModelRequest = {
  system: 'Be brief.',
  prompt: 'Say hello.',
  maxOutputTokens: 50,
  temperature: 0,
  answer: null,
}

/** Starts a provider that ends its answers with these words; it is gone after the test. A token of its model costs 20 micros. */
export async function startProvider(rest = ' then.'): Promise<Provider> {
  const child = await startProcess({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'slow-provider.ts'), rest],
    cwd: import.meta.dirname,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  onTestFinished(async () => void (await child.kill()))
  const [port] = await once(createInterface(child.stdout ?? process.stdin), 'line')
  const at = `http://127.0.0.1:${String(port)}`
  const post = async (word: string) => void (await (await fetch(`${at}/${word}`, { method: 'POST' })).text())
  const price = { input: 20, output: 20 }
  const source = { name: 'compatible/m', provider: 'compatible', model: 'm', apiKey: 'k', price } as const
  return {
    model: await createLanguageModel({ ...source, baseUrl: `${at}/v1` }, patience),
    held: async () => Number(await (await fetch(`${at}/held`)).text()),
    release: () => post('release'),
    breakOff: () => post('break'),
  }
}
