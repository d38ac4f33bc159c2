/** What Slack knows of an app whose tokens rotate: https://docs.slack.dev/authentication/using-token-rotation. */
export type Rotation = {
  readonly clientId: string
  readonly clientSecret: string
  readonly firstRefreshToken: string
  /** Refreshes that were answered with a pair. */
  readonly made: () => number
  /** The newest access token. */
  readonly newest: () => string
  /** Twelve hours go by for every access token there is. */
  expire(): void
  /** The short while is over in which a used refresh token still works. */
  endGrace(): void
  /** The operator installs the app again: the refresh token shown then. */
  reinstall(): string
  access(form: Readonly<Record<string, string>>): Record<string, unknown> | string
  /** Slack's word against an access token; null: it is good. */
  refuse(token: string): string | null
}

export function openRotation(): Rotation {
  const [clientId, clientSecret, firstRefreshToken] = ['12.34', 'canary-client-secret-8d1', 'xoxe-1-canary-first']
  const refreshTokens = new Set([firstRefreshToken])
  const used = new Set<string>()
  const active: string[] = []
  const expired = new Set<string>()
  const revoked = new Set<string>()
  let made = 0
  return {
    clientId,
    clientSecret,
    firstRefreshToken,
    made: () => made,
    newest: () => active.at(-1) ?? '',
    expire: () => {
      for (const token of active.splice(0)) expired.add(token)
    },
    endGrace: () => {
      for (const token of used) refreshTokens.delete(token)
    },
    reinstall: () => {
      const token = `xoxe-1-canary-again-${refreshTokens.size}`
      refreshTokens.add(token)
      return token
    },
    access: (form) => {
      if (form['client_id'] !== clientId) return 'invalid_client_id'
      if (form['client_secret'] !== clientSecret) return 'bad_client_secret'
      if (form['grant_type'] !== 'refresh_token') return 'invalid_grant_type'
      const given = form['refresh_token'] ?? ''
      if (!refreshTokens.has(given)) return 'invalid_refresh_token'
      used.add(given)
      made += 1
      const pair = { access_token: `xoxe.xoxb-1-canary-${made}`, refresh_token: `xoxe-1-canary-${made}` }
      refreshTokens.add(pair.refresh_token)
      active.push(pair.access_token)
      // More than two at once: the oldest goes.
      if (active.length > 2) revoked.add(active.shift() ?? '')
      return { ...pair, expires_in: 43_200, token_type: 'bot', team: { id: 'T01' } }
    },
    refuse: (token) => {
      if (active.includes(token)) return null
      return expired.has(token) ? 'token_expired' : revoked.has(token) ? 'token_revoked' : 'invalid_auth'
    },
  }
}
