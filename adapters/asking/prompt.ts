import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A prompt as its file has it. `fingerprint` is the sha256 of the whole file. */
export type Prompt = {
  readonly id: string
  readonly version: number
  readonly fingerprint: string
  readonly text: string
}

/** The file of that prompt, from a folder of them. */
export function readPrompt(folder: string, id: string): Prompt {
  const file = readFileSync(join(folder, `${id}.md`), 'utf8')
  const found = /^---\nid: (?<id>[a-z-]+)\nversion: (?<version>\d+)\n---\n(?<text>[\s\S]+)$/.exec(file)?.groups
  if (found?.['id'] !== id) throw new Error(`the prompt ${id} has no head with its id and version`)
  const fingerprint = createHash('sha256').update(file).digest('hex')
  return { id, version: Number(found['version']), fingerprint, text: found['text'] ?? '' }
}

/**
 * Marks text as data. The word that ends it is made of the text's own sha256, so that no text can hold the end of itself.
 */
export function asData(title: string, text: string): string {
  const word = createHash('sha256').update(`${title}\n${text}`).digest('hex').slice(0, 24)
  return `<<< ${title} ${word}\n${text}\n>>> ${word}`
}
