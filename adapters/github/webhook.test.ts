import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Defect } from '../../core/model/problem.ts'
import { understand, verify } from './webhook.ts'

/** From GitHub's page on validating deliveries. */
const published = {
  secret: "It's a Secret to Everybody",
  body: Buffer.from('Hello, World!'),
  signature: 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
}

const signed = (secret: string, body: Uint8Array) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
})

describe('a signature', () => {
  test('that GitHub publishes as an example is accepted', () => {
    const { secret, body, signature } = published
    expect(verify([secret], { 'x-hub-signature-256': signature }, body)).toBe(true)
  })

  test('by any of the accepted secrets is accepted, so that a secret can be changed without a loss', () => {
    const body = Buffer.from('{}')
    expect(verify(['new', 'old'], signed('old', body), body)).toBe(true)
    expect(verify(['new', 'old'], signed('new', body), body)).toBe(true)
    expect(verify(['new'], signed('old', body), body)).toBe(false)
    expect(verify([], signed('old', body), body)).toBe(false)
  })

  test('is refused when any byte of it or of the body is another: 100 bodies, each byte of both', () => {
    let refused = 0
    let tried = 0
    for (let index = 0; index < 100; index++) {
      const body = Buffer.from(JSON.stringify({ index, text: 'ü\u2028'.repeat(index % 7) }))
      const headers = signed(published.secret, body)
      expect(verify([published.secret], headers, body)).toBe(true)
      for (let at = 0; at < body.length; at++) {
        const flipped = Buffer.from(body)
        flipped[at] = (flipped[at] ?? 0) ^ 1
        tried++
        if (!verify([published.secret], headers, flipped)) refused++
      }
      const signature = Buffer.from(headers['x-hub-signature-256'])
      for (let at = 0; at < signature.length; at++) {
        const flipped = Buffer.from(signature)
        flipped[at] = (flipped[at] ?? 0) ^ 1
        tried++
        if (!verify([published.secret], { 'x-hub-signature-256': flipped.toString('latin1') }, body)) refused++
      }
    }
    expect(tried).toBeGreaterThan(9_000)
    expect(refused).toBe(tried)
  })

  test.each<[string, Record<string, string | string[] | undefined>]>([
    ['missing', {}],
    ['empty', { 'x-hub-signature-256': '' }],
    ['without its name', { 'x-hub-signature-256': published.signature.slice('sha256='.length) }],
    ['in capitals', { 'x-hub-signature-256': published.signature.toUpperCase() }],
    ['cut short', { 'x-hub-signature-256': published.signature.slice(0, -2) }],
    ['too long', { 'x-hub-signature-256': `${published.signature}00` }],
    ['very long', { 'x-hub-signature-256': `sha256=${'0'.repeat(1_000_000)}` }],
    ['sent twice', { 'x-hub-signature-256': [published.signature, published.signature] }],
    ['sent twice and joined', { 'x-hub-signature-256': `${published.signature}, ${published.signature}` }],
    ['with a line break behind', { 'x-hub-signature-256': `${published.signature}\n` }],
    [
      'made with SHA-1',
      {
        'x-hub-signature': `sha1=${createHmac('sha1', published.secret).update(published.body).digest('hex')}`,
        'x-hub-signature-256': `sha1=${createHmac('sha1', published.secret).update(published.body).digest('hex')}`,
      },
    ],
  ])('%s is refused', (_, headers) => {
    expect(verify([published.secret], headers, published.body)).toBe(false)
  })

  test('with an empty secret is our own mistake and said loudly', () => {
    expect(() => verify([''], signed('', published.body), published.body)).toThrow(Defect)
    expect(() => verify(['good enough secret', ' '], {}, published.body)).toThrow(Defect)
  })
})

const commit = 'a'.repeat(40)
const repository = { full_name: 'olivia/shop' }
const pull = {
  number: 7,
  html_url: 'https://github.com/olivia/shop/pull/7',
  merged: true,
  merge_commit_sha: 'b'.repeat(40),
  head: { sha: commit },
}

describe('a delivery means', () => {
  test.each([
    ['ping', { zen: 'x' }, { kind: 'ping' }],
    [
      'pull_request',
      { action: 'closed', repository, pull_request: pull },
      {
        kind: 'pull_request',
        change: 'merged',
        repository: 'olivia/shop',
        number: 7,
        url: pull.html_url,
        head: commit,
        mergeCommit: pull.merge_commit_sha,
      },
    ],
    [
      'pull_request',
      { action: 'closed', repository, pull_request: { ...pull, merged: false } },
      { kind: 'pull_request', change: 'closed', mergeCommit: null },
    ],
    ['pull_request', { action: 'opened', repository, pull_request: { ...pull, merged: false } }, { kind: 'ignored' }],
    [
      'pull_request',
      { action: 'labeled', repository, pull_request: pull, label: { name: 'x' }, sender: { login: 'olivia' } },
      { kind: 'label', number: 7, url: pull.html_url, label: 'x', by: 'olivia', mergeCommit: pull.merge_commit_sha },
    ],
    [
      'check_suite',
      { action: 'completed', repository, check_suite: { head_sha: commit, conclusion: 'success' } },
      { kind: 'checks', repository: 'olivia/shop', commit, name: null, passed: true },
    ],
    [
      'check_run',
      { action: 'completed', repository, check_run: { name: 'test', head_sha: commit, conclusion: 'timed_out' } },
      { kind: 'checks', name: 'test', passed: false },
    ],
    [
      'check_run',
      { action: 'created', repository, check_run: { name: 'test', head_sha: commit, conclusion: null } },
      { kind: 'ignored' },
    ],
    [
      'status',
      { repository, sha: commit, context: 'ci', state: 'failure' },
      { kind: 'checks', name: 'ci', commit, passed: false },
    ],
    ['status', { repository, sha: commit, context: 'ci', state: 'pending' }, { kind: 'ignored' }],
    [
      'push',
      { repository, ref: 'refs/heads/quantapilot/r1/docs', after: commit, deleted: false },
      { kind: 'push', repository: 'olivia/shop', branch: 'quantapilot/r1/docs', commit },
    ],
    ['push', { repository, ref: 'refs/heads/x', after: '0'.repeat(40), deleted: true }, { kind: 'push', commit: null }],
    ['push', { repository, ref: 'refs/tags/v1', after: commit, deleted: false }, { kind: 'ignored' }],
    ['issue_comment', { action: 'created', comment: { body: '/approve' } }, { kind: 'ignored' }],
    ['something_new', null, { kind: 'ignored' }],
  ])('%s', (event, body, means) => {
    expect(understand(event, body)).toMatchObject(means)
  })

  test.each([
    ['pull_request', {}],
    ['pull_request', { action: 'closed', repository, pull_request: { ...pull, head: { sha: '$(id)' } } }],
    ['push', null],
    ['check_run', { action: 'completed', repository, check_run: { head_sha: commit } }],
    ['status', []],
  ])('nothing that can be trusted, when GitHub would not send it: %s', (event, body) => {
    expect(understand(event, body)).toBeNull()
  })
})
