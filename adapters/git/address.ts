import { basename, isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fault } from '../../core/model/problem.ts'

export type Scheme = 'https' | 'ssh' | 'file'

/** A parsed address: a folder on this machine, or a host. `url` is what git is given. */
export type Address =
  | { readonly kind: 'folder'; readonly path: string; readonly name: string }
  | {
      readonly kind: 'https' | 'ssh'
      readonly url: string
      /** Lower case, IPv6 without brackets. */
      readonly host: string
      readonly port: number
      readonly name: string
    }

export type AddressRules = { readonly allowedSchemes: readonly Scheme[]; readonly allowFolders: boolean }

const examples = 'give https://host/owner/repo.git, git@host:owner/repo.git, or the path of a folder'

const refuse = (why: string): Fault => new Fault({ code: 'VALIDATION_ERROR', message: why, retryable: false })

/** Reads an address as an operator typed it (folders made absolute). Throws VALIDATION_ERROR with the next step; never repeats a secret. */
export function parseAddress(text: string, rules: AddressRules): Address {
  if (text === '') throw refuse(`An address is missing: ${examples}.`)
  if (text.length > 2_000) throw refuse(`This address is too long: ${examples}.`)
  if (/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) throw refuse(`This address contains control characters: ${examples}.`)
  if (text.startsWith('-')) throw refuse(`An address cannot begin with "-": ${examples}.`)
  if (isAbsolute(text)) return folderAddress(text, rules)
  if (/\s/.test(text)) throw refuse(`This address contains white space: ${examples}.`)
  return hostAddress(text, rules)
}

function folderAddress(text: string, { allowFolders }: AddressRules): Address {
  if (!allowFolders)
    throw refuse('Folders are not allowed here: give the https:// or ssh:// address of the repository.')
  return asFolder(text)
}

const asFolder = (text: string): Address => {
  const path = resolve(text)
  return { kind: 'folder', path, name: nameOf(path) }
}

/** The last segment without `.git`. */
const nameOf = (path: string): string => basename(path).replace(/\.git$/, '') || 'repository'

function hostAddress(text: string, rules: AddressRules): Address {
  const helper = /^([\w.+-]+)::/.exec(text)?.[1]
  if (helper !== undefined) throw refuse(`${helper}:: addresses start other programs and are not allowed: ${examples}.`)
  const scheme = /^([A-Za-z][\w.+-]*):\/\//.exec(text)?.[1]?.toLowerCase()
  switch (scheme) {
    case undefined:
      return scpAddress(text, rules)
    case 'https':
      return httpsAddress(text, rules)
    case 'ssh':
      return sshAddress(text, rules)
    case 'file':
      return fileAddress(text, rules)
    default:
      throw refuse(`${scheme}:// is not allowed: use https:// or ssh://.`)
  }
}

function requireScheme(scheme: Scheme, { allowedSchemes, allowFolders }: AddressRules): void {
  if (allowedSchemes.includes(scheme)) return
  const ways = [
    ...(allowedSchemes.length === 0 || (scheme === 'file' && allowFolders) ? ['give the path of a folder'] : []),
    ...(allowedSchemes.length === 0 ? [] : [`use ${allowedSchemes.join(' or ')}`]),
  ]
  throw refuse(`${scheme} addresses are not allowed here: ${ways.join(', or ')}.`)
}

function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw refuse(`This is not a complete address: ${examples}.`)
  }
}

const credentials = (instead: string): Fault =>
  refuse(`The address contains a user name or password, which would be stored: remove it and ${instead}.`)

function httpsAddress(text: string, rules: AddressRules): Address {
  requireScheme('https', rules)
  const url = parseUrl(text)
  if (url.username !== '' || url.password !== '')
    throw credentials("set the host's token in the settings (or in ~/.netrc) instead")
  if (url.search !== '' || url.hash !== '') throw refuse('The address goes on after "?" or "#": give it without that.')
  const path = requirePath(url.pathname)
  const port = url.port === '' ? 443 : Number(url.port)
  return { kind: 'https', url: `https://${url.host}${path}`, host: bareHost(url.hostname), port, name: nameOf(path) }
}

/** No quoting can be needed on the way to ssh: the host begins with a letter or digit and holds nothing a shell reads. */
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\])$/

function sshAddress(text: string, rules: AddressRules): Address {
  requireScheme('ssh', rules)
  const url = parseUrl(text)
  if (url.password !== '') throw credentials('load the key into the ssh agent instead')
  if (!/^(?:[A-Za-z0-9_][\w.-]*)?$/.test(url.username) || !hostPattern.test(url.hostname))
    throw refuse('This ssh address has no plain user and host: give ssh://git@host/owner/repo.git.')
  if (url.search !== '' || url.hash !== '') throw refuse('The address goes on after "?" or "#": give it without that.')
  const path = requirePath(url.pathname)
  const port = url.port === '' ? 22 : Number(url.port)
  const user = url.username === '' ? '' : `${url.username}@`
  return { kind: 'ssh', url: `ssh://${user}${url.host}${path}`, host: bareHost(url.hostname), port, name: nameOf(path) }
}

function scpAddress(text: string, rules: AddressRules): Address {
  const [, user, host, path] = /^([A-Za-z0-9_][\w.-]*)@([^:@/]+|\[[^\]]+\]):(.+)$/.exec(text) ?? []
  if (user === undefined || host === undefined || path === undefined || !hostPattern.test(host))
    throw refuse(`${JSON.stringify(text.replace(/^[^/]*@/, '').slice(0, 100))} is not an address: ${examples}.`)
  requireScheme('ssh', rules)
  if (path.startsWith('-')) throw refuse('The path of this address begins with "-", which is not allowed.')
  return {
    kind: 'ssh',
    url: `${user}@${host}:${requirePath(path)}`,
    host: bareHost(host),
    port: 22,
    name: nameOf(path),
  }
}

function fileAddress(text: string, rules: AddressRules): Address {
  requireScheme('file', rules)
  try {
    return asFolder(fileURLToPath(text))
  } catch {
    throw refuse('This file:// address names another machine or no path: give file:///path/to/repo.git.')
  }
}

/** Git decodes percent escapes, so that what they hide is checked as well. */
function requirePath(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed === '') throw refuse(`The address names a host but no repository: ${examples}.`)
  if (/%(?:[01][0-9a-f]|7f)|%(?![0-9a-f]{2})/i.test(trimmed))
    throw refuse(`This address contains control characters: ${examples}.`)
  return trimmed
}

const bareHost = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, '')
