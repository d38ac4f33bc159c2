import { z } from 'zod'
import { type ClientOptions, connect } from './client.ts'
import type { Credentials } from './credentials.ts'

const user = z.object({ login: z.string() })

/** A token a person made by hand: it may do what they gave it, and lives until they take it back. */
export const createPersonalToken = (token: string, options: ClientOptions): Credentials => ({
  kind: 'token',
  tokenFor: () => Promise.resolve(token),
  // There is no other: whoever runs this must make one.
  forget: () => undefined,
  whoami: async (signal) => {
    const asked = { of: 'GitHub', as: 'token', needs: 'Metadata: read' } as const
    const { data } = await connect(options, { token, asked, signal }).request('GET /user')
    return `the token of ${user.parse(data).login}`
  },
  close: () => Promise.resolve(),
})
