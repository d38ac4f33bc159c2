import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { Fault } from '../../core/model/problem.ts'

export type HostRules = {
  /** Host names and IP addresses that may be reached, private ones included; null: any public host. */
  readonly allowedHosts: readonly string[] | null
  readonly timeoutMs: number
}

/**
 * The IP addresses of a host that may be reached. Git is then pinned to exactly these, so that a second answer of the
 * name server cannot lead elsewhere. Throws VALIDATION_ERROR for a host that is not allowed, unknown, or not public.
 */
export async function resolveHost(host: string, rules: HostRules, signal: AbortSignal): Promise<readonly string[]> {
  requireAllowedHost(host, rules)
  const addresses = isIP(host) === 0 ? await ask(host, rules.timeoutMs, signal) : [host]
  const inside = addresses.find((address) => !isPublicAddress(address))
  if (inside === undefined || isNamed(host, rules)) return addresses
  throw notPublic(`${host} leads to ${inside}, which is not public`)
}

/** What can be said of a host without asking a name server. Throws VALIDATION_ERROR for one that is not allowed. */
export function requireAllowedHost(host: string, rules: Pick<HostRules, 'allowedHosts'>): void {
  if (isNamed(host, rules)) return
  if (rules.allowedHosts !== null)
    throw refuse(`The host ${host} is not allowed: ask an admin to add it to the allowed hosts.`)
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw notPublic(`${host} is not a public address`)
}

const isNamed = (host: string, { allowedHosts }: Pick<HostRules, 'allowedHosts'>): boolean =>
  allowedHosts?.some((allowed) => allowed.toLowerCase() === host) ?? false

const notPublic = (says: string): Fault =>
  refuse(`${says}: ask an admin to add the host to the allowed hosts if it is yours.`)

/** Whether the open internet routes this IP address: not loopback, private, link-local, multicast, reserved or a tunnel to such. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address)
  if (version === 4) return !closed4.check(address, 'ipv4')
  return version === 6 && global6.check(address, 'ipv6') && !closed6.check(address, 'ipv6')
}

/** False for what is known not to be public without asking a name server: an IP address that is not, and this machine's own names. */
export function isPublicHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return isIP(name) === 0 ? name !== 'localhost' && !name.endsWith('.localhost') : isPublicAddress(name)
}

/** IANA special-purpose address registries, https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-. */
const closed4 = blockList('ipv4', [
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24',
  '192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4',
])
const global6 = blockList('ipv6', ['2000::/3'])
const closed6 = blockList('ipv6', ['2001::/23 2001:db8::/32 2002::/16 3fff::/20'])

function blockList(family: 'ipv4' | 'ipv6', ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges.flatMap((line) => line.split(' '))) {
    const [net = '', prefix] = range.split('/')
    list.addSubnet(net, Number(prefix), family)
  }
  return list
}

async function ask(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const stopped = new Promise<never>((_, reject) =>
    limit.addEventListener('abort', () => reject(signal.aborted ? signal.reason : tooSlow(host)), { once: true }),
  )
  signal.throwIfAborted()
  const found = lookup(host, { all: true, order: 'ipv4first' }).catch((error: unknown) => {
    throw lookupFault(host, error)
  })
  return (await Promise.race([found, stopped])).map(({ address }) => address)
}

function lookupFault(host: string, cause: unknown): Fault {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOTFOUND')
    return refuse(`There is no host ${host}: check the address for typing errors.`, cause)
  const message = `The name server did not answer for ${host}: check the network.`
  return new Fault({ code: 'TRANSIENT_NETWORK', message, retryable: true, cause })
}

const tooSlow = (host: string): Fault =>
  new Fault({
    code: 'UPSTREAM_TIMEOUT',
    message: `The name server did not answer for ${host} in time.`,
    retryable: true,
  })

const refuse = (message: string, cause?: unknown): Fault =>
  new Fault({ code: 'VALIDATION_ERROR', message, retryable: false, cause })
