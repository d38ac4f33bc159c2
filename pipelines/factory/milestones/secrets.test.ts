import { expect, test } from 'vitest'
import { looksSecret, withoutSecrets } from './secrets.ts'

const body = 'Q'.repeat(80)

test.each([
  `AKIA${body.slice(0, 16)}`,
  `ghp_${body.slice(0, 36)}`,
  `github_pat_${body.slice(0, 60)}`,
  `sk-proj-${body}`,
  `xoxb-${body.slice(0, 30)}`,
  `AIza${body.slice(0, 35)}`,
  `123456789:AA${body.slice(0, 33)}`,
  `-----BEGIN RSA PRIVATE KEY-----\n${body}\n-----END RSA PRIVATE KEY-----`,
  `-----BEGIN PRIVATE KEY-----\n${body}`,
])('%s is found, and nothing of it is passed on', (secret) => {
  expect(looksSecret(`it is ${secret}`)).toBe(true)
  const rest = withoutSecrets(`it is ${secret}`)
  expect(rest).toBe('it is [redacted]')
})

test.each(['a sentence', 'sk-short', 'commit 0123456789abcdef0123456789abcdef01234567', 'R-1a2b3c'])(
  '%s is no key and stays',
  (text) => {
    expect(looksSecret(text)).toBe(false)
    expect(withoutSecrets(text)).toBe(text)
  },
)
