import { redactor } from '../../../core/model/redact.ts'

/** Shapes of keys that vendors publish, and of tokens of chat networks. */
const key =
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{36}|\bgithub_pat_[0-9A-Za-z_]{50}|\bsk-(?:ant-|proj-)?[0-9A-Za-z_-]{32}|\bxox[abprs]-[0-9A-Za-z-]{20}|\bAIza[0-9A-Za-z_-]{35}|\b\d{8,10}:AA[0-9A-Za-z_-]{33}\b/

const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/

/** Whether a line holds what looks like a key or the beginning of one. */
export const looksSecret = (text: string): boolean => key.test(text) || privateKey.test(text)

/** The text without what looks like a credential, for places that more people read. */
export const withoutSecrets = redactor([])
