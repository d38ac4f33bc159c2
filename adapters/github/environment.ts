import { z } from 'zod'
import { hostOf } from './repository.ts'

/** As whom the product acts on GitHub, and where that is. */
export type GitHubSettings = {
  /** Without a slash at the end. */
  readonly apiUrl: string
  /** The host whose repositories are served: `github.com`, or a GitHub Enterprise's own. */
  readonly host: string
  readonly identity: GitHubIdentity
  /** Any of these may have signed what GitHub sends us; empty: nothing is accepted. */
  readonly webhookSecrets: readonly string[]
}

export type GitHubIdentity =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'app'; readonly appId: string; readonly privateKey: string }

const isLocal = ({ hostname }: URL): boolean => ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)

const isApiUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal(url))) && url.search === ''
}

/** The variables, each by itself. `…_FILE` is resolved before. */
export const gitHubVariables = {
  GITHUB_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'GITHUB_TOKEN must be one word, such as github_pat_….')
    .optional(),
  GITHUB_APP_ID: z.string().regex(/^\d+$/, 'GITHUB_APP_ID must be the number on the page of the App.').optional(),
  GITHUB_PRIVATE_KEY: z
    .string()
    .regex(/-----BEGIN (?:RSA )?PRIVATE KEY-----/, 'GITHUB_PRIVATE_KEY must be the .pem file GitHub made for the App.')
    .optional(),
  GITHUB_API_URL: z
    .string()
    .refine(isApiUrl, 'GITHUB_API_URL must be an https address, such as https://git.example.org/api/v3.')
    .default('https://api.github.com'),
  GITHUB_WEBHOOK_SECRET: z
    .string()
    .regex(
      /^\s*\S{16,}(?:\s+\S{16,})*\s*$/,
      'GITHUB_WEBHOOK_SECRET must have 16 characters or more; while it is changed, the new and the old one with a space between.',
    )
    .optional(),
}

type Variables = z.infer<z.ZodObject<typeof gitHubVariables>>

/** What the variables mean together; null when nothing is set. Half a configuration is said in a sentence. */
export function gitHubSettings(values: Variables): { settings: GitHubSettings | null; problem: string | null } {
  const { GITHUB_TOKEN: token, GITHUB_APP_ID: appId, GITHUB_PRIVATE_KEY: privateKey } = values
  const half = halfOf(values)
  if (half !== null) return { settings: null, problem: half }
  const identity: GitHubIdentity | null =
    appId !== undefined && privateKey !== undefined
      ? { kind: 'app', appId, privateKey }
      : token === undefined
        ? null
        : { kind: 'token', token }
  if (identity === null) return { settings: null, problem: null }
  const apiUrl = values.GITHUB_API_URL.replace(/\/+$/, '')
  const webhookSecrets = (values.GITHUB_WEBHOOK_SECRET ?? '').split(/\s+/).filter((secret) => secret !== '')
  return { settings: { apiUrl, host: hostOf(apiUrl), identity, webhookSecrets }, problem: null }
}

function halfOf({
  GITHUB_TOKEN: token,
  GITHUB_APP_ID: appId,
  GITHUB_PRIVATE_KEY: privateKey,
  GITHUB_WEBHOOK_SECRET: secret,
}: Variables): string | null {
  if (appId !== undefined && privateKey === undefined)
    return 'GITHUB_APP_ID is set without GITHUB_PRIVATE_KEY: make a key on the page of the App, or set GITHUB_TOKEN instead.'
  if (appId === undefined && privateKey !== undefined)
    return 'GITHUB_PRIVATE_KEY is set without GITHUB_APP_ID: the number is on the page of the App.'
  if (appId !== undefined && token !== undefined)
    return 'GITHUB_TOKEN and GITHUB_APP_ID are both set: keep the token or the App.'
  if (appId === undefined && token === undefined && secret !== undefined)
    return 'GITHUB_WEBHOOK_SECRET is set without GITHUB_TOKEN or GITHUB_APP_ID: say as whom to answer.'
  return null
}
