import { hkdfSync, randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../adapters/process/make-folder.ts'
import { Fault } from '../core/model/problem.ts'

/** Where the secret may be: with the keys, which every process of a database has, or where older versions kept it. */
export type SecretFolders = { readonly keysDir: string; readonly stateDir: string }

/**
 * The secret that this server derives others from: the configured one, or a file beside the keys that only its owner may
 * read, made at first use. Of several processes that make it at once, one does. A file of the state folder, where it was
 * kept before, still counts.
 */
export async function readSecret(configured: string | null, { keysDir, stateDir }: SecretFolders): Promise<string> {
  if (configured !== null) return configured
  const path = join(keysDir, 'secret')
  try {
    const known = (await readIfThere(join(stateDir, 'secret'))) ?? (await readIfThere(path))
    if (known !== null) return known
    await makeSecret(keysDir, path)
  } catch (cause) {
    throw cause instanceof Fault ? cause : cannotKeep(path, cause)
  }
  return readSecret(null, { keysDir, stateDir })
}

async function makeSecret(folder: string, path: string): Promise<void> {
  await makeFolder(folder, 0o700)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    // Unlike a rename, a link never replaces what another process has just made.
    await link(draft, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    await rm(draft)
  }
}

/** What signs the deliveries of one endpoint: 256 bits derived by HKDF (RFC 5869), so that none is stored. */
export const webhookSecret = (secret: string, webhookId: string): string =>
  `whsec_${Buffer.from(hkdfSync('sha256', secret, '', `quantapilot webhook ${webhookId}`, 32)).toString('base64url')}`

/** The token of a mail's link: 256 bits derived by HKDF (RFC 5869), so that a mail sent again holds the same link. */
export const linkToken = (secret: string, cardKey: string): string =>
  Buffer.from(hkdfSync('sha256', secret, '', `quantapilot link ${cardKey}`, 32)).toString('base64url')

async function readIfThere(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return null
    throw error
  })
  if (text === null || text.trim().length >= 32) return text?.trim() ?? null
  throw new Fault({
    code: 'PRECONDITION_FAILED',
    message: `${path} holds no secret: restore it from a backup. Without it, every webhook's receiver needs a new one.`,
    retryable: false,
  })
}

const cannotKeep = (path: string, cause: unknown): Fault =>
  new Fault({
    code: 'PRECONDITION_FAILED',
    message: `The secret ${path} cannot be kept (${cause instanceof Error ? cause.message : String(cause)}): let this user write that folder, or set QP_SECRET.`,
    retryable: false,
    cause,
  })

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
