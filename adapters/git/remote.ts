import { createHash } from 'node:crypto'
import { isIP, isIPv6 } from 'node:net'
import { Fault } from '../../core/model/problem.ts'
import { type Address, type AddressRules, parseAddress } from './address.ts'
import { type Folder, openFolder } from './folder.ts'
import type { GitCall } from './git-command.ts'
import { type HostRules, resolveHost } from '../network/host.ts'

/** A user name and token for https; `null` when the host needs none. */
export type Credential = { readonly username: string; readonly password: string }

export type RemoteOptions = AddressRules &
  Omit<HostRules, 'timeoutMs'> & {
    /** PEM file of the certificate authorities to trust instead of the system's, for a company's own. */
    readonly caFile?: string
    /** Asked before each conversation with an https address, and for no more than it needs. Never put into arguments or files. */
    readonly credentialFor?: (
      address: string,
      use: { readonly write: boolean },
      signal: AbortSignal,
    ) => Promise<Credential | null>
  }

/** Where a repository is, known without touching the network. */
export type Place = {
  /** As the operator typed it. */
  readonly address: string
  readonly name: string
  readonly parsed: Address
  readonly folder: Folder | null
  /** Names the folder of this repository's snapshots: the same however often it is asked for. */
  readonly key: string
}

/** How git gets there: its host looked up, checked and pinned. */
export type Remote = Place & {
  readonly url: string
  /** Goes before the operands of `ls-remote`. */
  readonly reading: readonly string[]
  readonly call: Required<Pick<GitCall, 'address' | 'config' | 'env'>>
}

/** Throws VALIDATION_ERROR with the next step for an address that is not allowed or leads to no repository root. */
export async function locate(address: string, rules: AddressRules): Promise<Place> {
  const parsed = parseAddress(address, rules)
  const folder = parsed.kind === 'folder' ? await openFolder(parsed.path) : null
  const canonical = parsed.kind === 'folder' ? (folder?.path ?? parsed.path) : parsed.url
  const key = createHash('sha256').update(canonical).digest('hex').slice(0, 16)
  return { address, name: parsed.name, parsed, folder, key }
}

/** What is about to be done there, and what stops it. */
export type Approach = { readonly write: boolean; readonly signal: AbortSignal }

/** Looks the host up and pins it. Throws VALIDATION_ERROR for one that may not be reached. */
export async function reach(place: Place, options: RemoteOptions, approach: Approach): Promise<Remote> {
  const { parsed } = place
  if (parsed.kind === 'folder') return folderRemote(place)
  const addresses = await resolveHost(parsed.host, { ...options, timeoutMs: 10_000 }, approach.signal)
  if (parsed.kind === 'ssh') return sshRemote(place, parsed, addresses)
  const { credentialFor } = options
  const credential = await credentialFor?.(parsed.url, { write: approach.write }, approach.signal)
  return httpsRemote(place, parsed, { addresses, caFile: options.caFile, credential: credential ?? null })
}

type HostAddress = Extract<Address, { kind: 'https' | 'ssh' }>

const allow = (scheme: string) => ({
  config: [`protocol.${scheme}.allow=always`],
  env: { GIT_ALLOW_PROTOCOL: scheme },
})

/**
 * The reading half runs in the operator's repository and obeys its config, so what could start a program there is
 * switched off by name. `safe.directory=*` holds for this one process, which is given this one path.
 */
const uploadPack =
  'git -c safe.directory=* -c core.hooksPath=/dev/null -c core.fsmonitor= -c core.alternateRefsCommand=: upload-pack'

function folderRemote(place: Place): Remote {
  const url = place.folder?.path ?? ''
  return { ...place, url, reading: [`--upload-pack=${uploadPack}`], call: { address: place.address, ...allow('file') } }
}

type Way = {
  readonly addresses: readonly string[]
  readonly caFile: string | undefined
  readonly credential: Credential | null
}

function httpsRemote(place: Place, { url, host, port }: HostAddress, { addresses, caFile, credential }: Way): Remote {
  const { config, env } = allow('https')
  const call = {
    address: place.address,
    config: [
      ...config,
      ...(isIP(host) === 0 ? [pin(host, port, addresses)] : []),
      // A redirect would lead past the check.
      'http.followRedirects=false',
      'http.proxy=',
      'http.lowSpeedLimit=1000',
      'http.lowSpeedTime=30',
      ...(caFile === undefined ? [] : [`http.sslCAInfo=${caFile}`]),
    ],
    env: { ...env, ...(credential ? authorization(url, credential) : {}) },
  }
  return { ...place, url, reading: [], call }
}

/**
 * In the environment of git itself, which only this account can read, and for this host only. A helper (GIT_ASKPASS,
 * credential.helper) would need a program on disk that git starts, and the same variable to hand it the token; git asks
 * it after a first refused request, and would ask it again for whatever host it was led to.
 */
function authorization(url: string, { username, password }: Credential): Readonly<Record<string, string>> {
  const basic = Buffer.from(`${username}:${password}`).toString('base64')
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${new URL(url).origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
  }
}

/** Git gives this line to a shell; host and addresses hold nothing that a shell reads (`hostPattern`, name server answers). */
function sshRemote(place: Place, { url, host, port }: HostAddress, addresses: readonly string[]): Remote {
  const [pinned] = addresses
  if (pinned === undefined) throw noAddress(host)
  // The host key is looked up under the name, as if we had not pinned it.
  const alias = port === 22 ? host : `[${host}]:${port}`
  const options = [
    'BatchMode=yes',
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ControlMaster=no',
    'ControlPath=none',
    'ForwardAgent=no',
    'PermitLocalCommand=no',
    `HostName=${pinned}`,
    `HostKeyAlias=${alias}`,
  ]
  const { config, env } = allow('ssh')
  const ssh = ['ssh', ...options.flatMap((option) => ['-o', `'${option}'`])].join(' ')
  const call = { address: place.address, config, env: { ...env, GIT_SSH_COMMAND: ssh, GIT_SSH_VARIANT: 'ssh' } }
  return { ...place, url, reading: [], call }
}

/** Git would ask the name server again: this makes curl take the addresses that were checked (git 2.37 and newer). */
const pin = (host: string, port: number, addresses: readonly string[]): string =>
  `http.curloptResolve=${host}:${port}:${addresses.map(bracketed).join(',')}`

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address)

const noAddress = (host: string): Fault =>
  new Fault({ code: 'VALIDATION_ERROR', message: `The host ${host} has no address: check it.`, retryable: false })
