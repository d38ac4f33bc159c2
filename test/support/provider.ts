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

/** Starts a provider; it is gone after the test. The model has a price that the table knows. */
export async function startProvider(): Promise<Provider> {
  const child = await startProcess({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'slow-provider.ts')],
    cwd: import.meta.dirname,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  onTestFinished(async () => void (await child.kill()))
  const [port] = await once(createInterface(child.stdout ?? process.stdin), 'line')
  const at = `http://127.0.0.1:${String(port)}`
  const source = { name: 'openai/gpt-5.5', provider: 'compatible', model: 'm', apiKey: 'k' } as const
  return {
    model: await createLanguageModel({ ...source, baseUrl: `${at}/v1` }, patience),
    held: async () => Number(await (await fetch(`${at}/held`)).text()),
    release: async () => void (await (await fetch(`${at}/release`, { method: 'POST' })).text()),
  }
}
