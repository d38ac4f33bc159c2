/** Takes secrets out of a text; what holds none comes back as it was. */
export type Redact = (text: string) => string

/** Stands where a secret was. */
export const redacted = '[redacted]'

/** Credentials by the forms in which their issuers write them. */
const formats: readonly RegExp[] = [
  // OpenAI, Anthropic, OpenRouter and others that took the same beginning; Groq, xAI, Hugging Face, Replicate, Perplexity.
  /\b(?:sk|rk)-[\w-]{20,}/,
  /\b(?:gsk_|xai-|hf_|r8_|pplx-)[A-Za-z0-9]{20,}/,
  // Google: API keys, OAuth secrets and tokens.
  /\bAIza[\w-]{35}/,
  /\bGOCSPX-[\w-]{20,}/,
  /\bya29\.[\w-]{20,}/,
  // GitHub, GitLab.
  /\bgh[pousr]_[A-Za-z0-9]{36,}/,
  /\bgithub_pat_\w{22,}/,
  /\bgl(?:pat|dt|rt|cbt|ptt|soat)-[\w.-]{20,}/,
  // Slack: tokens, tokens that rotate, addresses that take messages.
  /\bxox[a-z](?:\.xox[a-z])?-[\w-]{10,}/,
  /\bxapp-\d-[\w-]{10,}/,
  /\bhooks\.slack\.com\/(?:services|workflows|triggers)\/[\w/-]{20,}/,
  // Telegram, Discord.
  /\b\d{8,10}:[\w-]{35}(?![\w-])/,
  /\bdiscord(?:app)?\.com\/api\/webhooks\/\d+\/[\w-]{20,}/,
  // Amazon: ids of keys, and secrets that are named.
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /(?<=aws_?secret_?(?:access_?)?key["']?\s{0,9}[:=]\s{0,9}["']?)[A-Za-z0-9/+]{40}/i,
  // Azure's keys of storage.
  /(?<=AccountKey=)[A-Za-z0-9+/]{60,}={0,2}/,
  // Stripe, webhooks that are signed as Stripe and we do, our own API keys.
  /\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}/,
  /\bwhsec_[\w+/=-]{24,}/,
  /\bqpk_[\w-]{40,}/,
  // Registries of packages, clouds, mail.
  /\bnpm_[A-Za-z0-9]{36,}/,
  /\bpypi-[\w-]{50,}/,
  /\bdckr_pat_[\w-]{20,}/,
  /\bdo[opr]_v1_[a-f0-9]{64}/,
  /\bSG\.[\w-]{16,}\.[\w-]{32,}/,
  /\bkey-[0-9a-f]{32}\b/,
  /\bSK[0-9a-f]{32}\b/,
  // Keys in files.
  /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)/,
  /\bAGE-SECRET-KEY-1[A-Z0-9]{50,}/,
  // Tokens that carry claims; what stands in a header or an address.
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
  /(?<=\bbearer\s{1,3})[\w.~+/-]{16,}=*/i,
  /(?<=\bauthorization["']?\s{0,3}:\s{0,3}["']?basic\s{1,3})[A-Za-z0-9+/]{8,}={0,2}/i,
  /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"']{0,80}:)[^\s/@"'\\]{3,200}(?=@)/i,
]

const everywhere = formats.map((format) => new RegExp(format, `g${format.flags}`))

/** Shorter ones would be found in innocent words. */
const leastLength = 8

/** A value as it may stand in a text: as it is, in an address, in JSON. */
const spellings = (value: string): readonly string[] => [
  value,
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1),
  JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1),
]

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/**
 * Takes out credentials of known forms, and each of `values`, which are this server's own secrets, with `encodings` of them
 * where the caller knows more than the plain one.
 */
export function redactor(
  values: readonly string[],
  encodings: (value: string) => readonly string[] = () => [],
): Redact {
  const own = [...new Set(values.filter((value) => value.length >= leastLength))]
    .flatMap((value) => [...spellings(value), ...encodings(value)])
    .toSorted((one, other) => other.length - one.length)
  const known = own.length === 0 ? null : new RegExp(own.map(literal).join('|'), 'g')
  return (text) => {
    const rest = known === null ? text : text.replaceAll(known, redacted)
    return everywhere.reduce((left, format) => left.replaceAll(format, redacted), rest)
  }
}

/** The secrets among settings by their names: an address counts for the password in it, and an id for nothing. */
export const secretsAmong = (settings: readonly (readonly [string, unknown])[]): readonly string[] =>
  settings.flatMap(([name, value]) => {
    if (typeof value !== 'string') return Array.isArray(value) ? value.map(String) : []
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@]*?:([^/]*)@/i.exec(value)?.[1]
    if (password !== undefined) return [password, plain(password)]
    return /(_KEY|_TOKEN|_SECRET|_PASSWORD)S?$/.test(name) ? [value] : []
  })

/** As it is meant, where it is written in the way of addresses. */
function plain(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
