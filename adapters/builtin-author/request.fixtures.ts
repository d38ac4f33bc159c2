import type { AuthorRequest } from '../../core/ports.ts'

/** What an author is asked about a README of a small shop; `over` changes any of it. */
export function requestFor(readme: string | Uint8Array, over: Partial<AuthorRequest> = {}): AuthorRequest {
  return {
    project: {
      name: 'shop',
      address: 'https://example.org/shop.git',
      branch: 'main',
      commit: '0123456789abcdef0123456789abcdef01234567',
    },
    readme: { path: 'README.md', bytes: typeof readme === 'string' ? new TextEncoder().encode(readme) : readme },
    updated: '2025-11-03',
    owners: ['shop-team'],
    comments: [],
    decisions: [],
    repair: [],
    previous: [],
    tuning: { model: null, temperature: null, maxOutputTokens: null, mayChange: true },
    ...over,
  }
}
