import type { Config } from '../config.ts'
import type { Redact } from '../core/model/redact.ts'
import { redactor } from '../core/model/redact.ts'

/** What takes this server's own secrets, and all of known forms, out of a text. */
export const redactOf = ({ secretValues }: Pick<Config, 'secretValues'>): Redact =>
  redactor(secretValues, (value) => [
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
    Buffer.from(value).toString('base64url'),
    Buffer.from(value).toString('hex'),
  ])
