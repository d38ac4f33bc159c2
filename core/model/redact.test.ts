import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { redacted, redactor, secretsAmong } from './redact.ts'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const of = (count: number, from = letters): string =>
  Array.from({ length: count }, (_, index) => from[(index * 37 + count * 11) % from.length]).join('')
const hex = '0123456789abcdef'

/** One of each form that issuers write, made here so that no scanner takes this file for a leak. */
const samples: readonly (readonly [string, string])[] = [
  ['OpenAI', `sk-${of(48)}`],
  ['OpenAI, of a project', `sk-proj-${of(60)}_${of(20)}`],
  ['Anthropic', `sk-ant-api03-${of(90)}AA`],
  ['OpenRouter', `sk-or-v1-${of(64, hex)}`],
  ['Groq', `gsk_${of(52)}`],
  ['xAI', `xai-${of(80)}`],
  ['Hugging Face', `hf_${of(34)}`],
  ['Google', `AIza${of(35)}`],
  ['Google OAuth', `GOCSPX-${of(28)}`],
  ['Google token', `ya29.${of(120)}`],
  ['GitHub', `ghp_${of(36)}`],
  ['GitHub App', `ghs_${of(36)}`],
  ['GitHub, fine-grained', `github_pat_${of(22)}_${of(59)}`],
  ['GitLab', `glpat-${of(20)}`],
  ['Slack bot', `xoxb-${of(12, '0123456789')}-${of(12, '0123456789')}-${of(24)}`],
  ['Slack, rotating', `xoxe.xoxp-1-${of(60)}`],
  ['Slack refresh', `xoxe-1-${of(60)}`],
  ['Slack app', `xapp-1-${of(11)}-${of(13, '0123456789')}-${of(64, hex)}`],
  ['Slack address', `https://hooks.slack.com/services/T${of(8)}/B${of(8)}/${of(24)}`],
  ['Telegram', `${of(10, '1234567890')}:${of(35)}`],
  ['Discord address', `https://discord.com/api/webhooks/${of(18, '1234567890')}/${of(60)}`],
  ['Amazon id', `AKIA${of(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}`],
  ['Amazon secret', `aws_secret_access_key = ${of(40)}`],
  ['Azure', `AccountKey=${of(86)}==`],
  ['Stripe', `sk_live_${of(24)}`],
  ['Stripe webhook', `whsec_${of(32)}`],
  ['our own key', `qpk_${of(43)}`],
  ['npm', `npm_${of(36)}`],
  ['PyPI', `pypi-AgEIcHlwaS5vcmc${of(60)}`],
  ['Docker', `dckr_pat_${of(27)}`],
  ['DigitalOcean', `dop_v1_${of(64, hex)}`],
  ['SendGrid', `SG.${of(22)}.${of(43)}`],
  ['Mailgun', `key-${of(32, hex)}`],
  ['Twilio', `SK${of(32, hex)}`],
  ['a private key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${of(64)}\n${of(64)}\n-----END OPENSSH PRIVATE KEY-----`],
  ['a key of age', `AGE-SECRET-KEY-1${of(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}`],
  ['a token with claims', `eyJ${of(33)}.eyJ${of(60)}.${of(43)}`],
  ['a header', `Authorization: Bearer ${of(40)}`],
  ['a header with a password', `Authorization: Basic ${of(24)}==`],
  ['an address with a password', `postgresql://shop:${of(16)}@db.internal:5432/shop`],
]

/** The part of a sample that nobody may read. */
const heart = (text: string): string => /[\w+/-]{10,}(?=\W*$)/.exec(text.replace(/@.*|\n-----END.*/s, ''))?.[0] ?? text

test.each(samples)('%s is taken out, alone, in a sentence and in JSON', (_, secret) => {
  const redact = redactor([])
  for (const text of [secret, `Set it to ${secret} and restart.`, JSON.stringify({ note: `a "${secret}" b` })]) {
    expect(redact(text)).toContain(redacted)
    expect(redact(text)).not.toContain(heart(secret))
  }
})

test('this server’s own secrets are taken out however they are spelt', () => {
  const any = fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 60 })
  const hold = fc.property(any, any, any, (before, value, after) => {
    fc.pre(!before.includes(value) && !after.includes(value))
    const redact = redactor([value], (plain) => [Buffer.from(plain).toString('base64')])
    const written = [
      value,
      encodeURIComponent(value),
      JSON.stringify(value).slice(1, -1),
      JSON.stringify(JSON.stringify({ value })),
      Buffer.from(value).toString('base64'),
    ]
    for (const text of written) expect(redact(`${before} ${text} ${after}`)).toContain(redacted)
    expect(redact(`${before}\n${value}\n${after}`)).not.toContain(`\n${value}\n`)
  })
  fc.assert(hold, { numRuns: 500 })
})

const root = join(import.meta.dirname, '../..')
const linesBelow = (folder: string, name: RegExp): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path))
    .flatMap((path) => readFileSync(join(root, folder, path), 'utf8').split('\n'))
    .filter((line) => line.trim() !== '')

test('of lines without a secret, at most two in a hundred change: documents, code, digests, ids and addresses', () => {
  const redact = redactor(['a-secret-of-this-server'])
  const plain = [
    ...linesBelow('docs', /\.md$/),
    ...linesBelow('adapters/builtin-author/golden', /\.md$/),
    ...linesBelow('core', /(?<!redact\.test)\.ts$/),
    ...linesBelow('migrations', /\.sql$/),
    `sha256 ${of(64, hex)}`,
    `commit ${of(40, hex)}`,
    '0193a5f2-7c1e-7b44-9c1d-2f7b3f0e5a11',
    '2026-11-24T14:05:00Z 12345678:9',
    'https://github.com/ada/shop/pull/7#issuecomment-1',
    'git@github.com:ada/shop.git',
  ]
  const changed = plain.filter((line) => redact(line) !== line)
  expect(plain.length).toBeGreaterThan(5_000)
  expect(changed.length / plain.length, changed.slice(0, 10).join('\n')).toBeLessThanOrEqual(0.02)
})

test('a text of two hundred thousand characters is looked through in well under a second', () => {
  const text = linesBelow('docs', /\.md$/).join('\n').slice(0, 100_000)
  const long = `${text}${'a'.repeat(50_000)}${'sk'.repeat(25_000)}`
  const before = process.threadCpuUsage()
  redactor(['a-secret-of-this-server'])(long)
  expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(1_000)
})

test('secrets among settings are known by their names; an address counts for its password, an id for nothing', () => {
  const settings = [
    ['DATABASE_URL', 'postgresql://shop:p%40ss-word@db/shop'],
    ['OPENAI_API_KEY', 'the-key-of-openai'],
    ['OPENAI_BASE_URL', 'https://models.internal/v1'],
    ['GITHUB_APP_ID', '12345678'],
    ['SMTP_URL', 'smtps://ada:100%-secret@mail.internal'],
    ['GITHUB_WEBHOOK_SECRET', ['the-first-one', 'the-second-one']],
    ['QP_SECRET', undefined],
  ] as const
  expect(secretsAmong(settings)).toEqual([
    'p%40ss-word',
    'p@ss-word',
    'the-key-of-openai',
    '100%-secret',
    '100%-secret',
    'the-first-one',
    'the-second-one',
  ])
})
