import { describe, expect, it } from 'vitest'
import { failureOf, faultOf } from './fault.ts'
import { hostOf, repositoryOf } from './repository.ts'

describe('a repository of GitHub', () => {
  const shop = { owner: 'olivia', name: 'shop' }

  it.each([
    'https://github.com/olivia/shop',
    'https://github.com/olivia/shop.git',
    'https://GitHub.com/olivia/shop.git/',
    'git@github.com:olivia/shop.git',
    'ssh://git@github.com/olivia/shop.git',
    'ssh://git@github.com:22/olivia/shop',
  ])('is at %s', (address) => expect(repositoryOf(address, 'github.com')).toEqual(shop))

  it('may have dots, dashes and underscores', () => {
    expect(repositoryOf('https://github.com/a-b/.github', 'github.com')).toEqual({ owner: 'a-b', name: '.github' })
    expect(repositoryOf('https://github.com/a_corp/x.y-z_1.git', 'github.com')).toEqual({
      owner: 'a_corp',
      name: 'x.y-z_1',
    })
  })

  it.each([
    'https://gitlab.com/olivia/shop',
    'https://github.com.evil.example/olivia/shop',
    'https://evil.example/github.com/olivia/shop',
    'https://github.com@evil.example/olivia/shop',
    'https://github.com:8443/olivia/shop',
    'https://github.com/olivia',
    'https://github.com/olivia/shop/tree/main',
    'https://github.com/olivia/..',
    'https://github.com/../shop',
    'https://github.com/olivia/shop?x=1',
    'http://github.com/olivia/shop',
    '/srv/olivia/shop',
    'file:///github.com/olivia/shop',
    '',
  ])('is not at %j', (address) => expect(repositoryOf(address, 'github.com')).toBeNull())

  it.each([
    ['https://api.github.com', 'github.com'],
    ['https://api.acme.ghe.com', 'acme.ghe.com'],
    ['https://git.example.org/api/v3', 'git.example.org'],
    ['https://git.example.org:8443/api/v3', 'git.example.org:8443'],
    ['https://api.example.org', 'api.example.org'],
  ])('whose API is %s lives on %s', (apiUrl, host) => expect(hostOf(apiUrl)).toBe(host))
})

describe('an answer of GitHub', () => {
  const asked = { of: 'olivia/shop', as: 'token', needs: 'Pull requests: write' } as const
  const now = Date.parse('2026-01-01T00:00:00Z')
  const says = (status: number, headers: Record<string, string> = {}, data: unknown = { message: 'words' }) => {
    const failure = failureOf({ name: 'HttpError', status, message: 'x', response: { status, headers, data } })
    if (failure === null) throw new Error('not read')
    return faultOf(failure, asked, now, null)
  }

  it.each<[number, Record<string, string>, string, string, boolean, number | null]>([
    [401, {}, 'words', 'FATAL', false, null],
    [403, { 'x-github-sso': 'required' }, 'words', 'PRECONDITION_FAILED', false, null],
    [403, {}, 'Resource not accessible', 'PRECONDITION_FAILED', false, null],
    [403, {}, 'You have exceeded a secondary rate limit', 'RATE_LIMIT', true, 60_000],
    [403, { 'retry-after': '5' }, 'slow down', 'RATE_LIMIT', true, 5_000],
    [
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${now / 1_000 + 30}` },
      'x',
      'RATE_LIMIT',
      true,
      31_000,
    ],
    [403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${now / 1_000 - 30}` }, 'x', 'RATE_LIMIT', true, 1_000],
    [429, { 'retry-after': '9' }, 'words', 'RATE_LIMIT', true, 9_000],
    [429, {}, 'words', 'RATE_LIMIT', true, 60_000],
    [404, {}, 'Not Found', 'VALIDATION_ERROR', false, null],
    [405, {}, 'not mergeable', 'PRECONDITION_FAILED', false, null],
    [410, {}, 'Issues has been disabled in this repository.', 'PRECONDITION_FAILED', false, null],
    [409, {}, 'conflict', 'PRECONDITION_FAILED', false, null],
    [422, {}, 'Validation Failed', 'VALIDATION_ERROR', false, null],
    [500, {}, 'words', 'TRANSIENT_NETWORK', true, null],
    [503, { 'retry-after': '20' }, 'words', 'TRANSIENT_NETWORK', true, 20_000],
  ])('%i %j %s is %s', (status, headers, message, code, retryable, retryAfterMs) => {
    expect(says(status, headers, { message })).toMatchObject({ code, retryable, retryAfterMs })
  })

  it('names what is missing, in the words of the settings page', () => {
    expect(says(403).message).toBe(
      'GITHUB_TOKEN may not do this in olivia/shop: give it Pull requests: write, then /retry. (GitHub: words)',
    )
  })

  it('is quoted with its details, on one line and not at length', () => {
    const errors = [{ message: 'No commits between main and x' }, 'plain', { code: 'invalid' }]
    expect(says(422, {}, { message: 'Validation Failed', errors: errors.slice(0, 2) }).message).toBe(
      'GitHub refuses this for olivia/shop. (GitHub: Validation Failed: No commits between main and x: plain)',
    )
    expect(says(422, {}, { message: 'Validation Failed', errors }).message).toContain('Validation Failed')
    expect(says(422, {}, { message: `a\n\u202eb${'x'.repeat(5_000)}` }).message).toMatch(/^[^\p{Cc}\p{Cf}]{1,400}$/u)
    expect(says(502, {}, '<html>').message).toBe('GitHub could not be reached or failed.')
  })

  it('is only read from what the client throws', () => {
    expect(failureOf(new Error('x'))).toBeNull()
    expect(failureOf(null)).toBeNull()
  })
})
