import { isIP, isIPv4 } from 'node:net'
import { z } from 'zod'

/** A host that packages may come from, as the operator listed it. */
export type PackageHost = {
  /** Lower case, an IPv6 address without its brackets. */
  readonly host: string
  readonly port: number
}

const says =
  'QP_PACKAGE_HOSTS must be host names with commas between, each with a port where that is not 443, such as packages.example.com,mirror.example.com:8443.'

/** As `CONNECT` names it: `packages.example.com:443`, `[2001:db8::1]:443`. */
export const authorityOf = ({ host, port }: PackageHost): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`

/** The variable that lists them; not set: none. */
export const packageVariables = {
  QP_PACKAGE_HOSTS: z
    .string()
    .transform((text, context) => {
      const hosts = text.split(/[\s,]+/).flatMap((each) => (each === '' ? [] : [hostOf(each)]))
      const known = hosts.filter((host) => host !== null)
      if (hosts.length > 0 && known.length === hosts.length) return known
      context.addIssue(says)
      return z.NEVER
    })
    .optional(),
}

/** Null for what is no host and port; a name whose last part is a number is an IP address in a spelling of its own. */
function hostOf(text: string): PackageHost | null {
  const [, address, name, port = '443'] =
    /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?))(?::([1-9]\d{0,4}))?$/i.exec(text) ?? []
  if (Number(port) > 65_535) return null
  if (address !== undefined) return isIP(address) === 6 ? { host: address.toLowerCase(), port: Number(port) } : null
  if (name === undefined || (/(^|\.)(0x[0-9a-f]*|\d+)$/i.test(name) && !isIPv4(name))) return null
  return { host: name.toLowerCase(), port: Number(port) }
}
