import { guardModel } from '../adapters/ai/guard.ts'
import type { ModelSource } from '../adapters/ai/environment.ts'
import type { Chain } from '../adapters/asking/ask.ts'
import { createBuiltinAuthor } from '../adapters/builtin-author/author.ts'
import type { Config } from '../config.ts'
import type { Author, LanguageModel } from '../core/ports.ts'
import { openCircuit } from '../core/store/circuit.ts'
import type { Database } from '../core/store/database.ts'
import { openRateGate } from '../core/store/rate-gate.ts'

/** The models that are configured, first come first asked; nothing of theirs is loaded where there are none. */
export async function modelsOf({ models }: Config, db: Database): Promise<Chain | null> {
  const [first, ...others] = await Promise.all(models.map((source) => modelOf(source, db)))
  return first ? [first, ...others] : null
}

/** Who writes documents: models where there are any, on the drafts of the built-in author. */
export async function authorOf(models: Chain | null): Promise<Author> {
  const draft = createBuiltinAuthor()
  if (models === null) return draft
  const { createModelAuthor } = await import('../adapters/model-author/author.ts')
  return createModelAuthor({ models, draft })
}

/** A model that is left alone by every process while its provider is down or wants no calls. */
export async function modelOf(source: ModelSource, db: Database): Promise<LanguageModel> {
  const { createLanguageModel } = await import('../adapters/ai/language-model.ts')
  const key = `model ${source.name}`
  return guardModel(await createLanguageModel(source), { circuit: openCircuit(db, key), gate: openRateGate(db, key) })
}
