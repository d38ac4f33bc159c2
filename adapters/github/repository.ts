/** A repository as GitHub names it. */
export type Repository = { readonly owner: string; readonly name: string }

/** Letters, digits and what GitHub allows between them; never `.` or `..`, which would lead elsewhere in a path. */
const ownerPattern = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})$/
const namePattern = /^(?!\.{1,2}$)[\w.-]{1,100}$/

/** The repository at an https or ssh address of this host (`github.com`, `git.example.org:8443`); null for any other. */
export function repositoryOf(address: string, host: string): Repository | null {
  const [, where = '', owner = '', name = ''] =
    /^https:\/\/([^/@]+)\/([^/]+)\/([^/]+?)(?:\.git)?\/*$/i.exec(address) ??
    /^ssh:\/\/(?:[^/@]+@)?([^/@]+)\/([^/]+)\/([^/]+?)(?:\.git)?\/*$/i.exec(address) ??
    /^[\w.-]+@([^:/@]+):([^/]+)\/([^/]+?)(?:\.git)?\/*$/.exec(address) ??
    []
  const isHere = where.toLowerCase() === host || (!address.startsWith('https:') && nameOf(where) === nameOf(host))
  return isHere && ownerPattern.test(owner) && namePattern.test(name) ? { owner, name } : null
}

/** The port of an ssh address is not the one of the web. */
const nameOf = (host: string): string => host.toLowerCase().replace(/:\d+$/, '')

/** Where the repositories are whose API is at this address: github.com for api.github.com, else the host itself. */
export function hostOf(apiUrl: string): string {
  const { host } = new URL(apiUrl)
  return /^api\.(?:github\.com|[^.]+\.ghe\.com)$/.test(host) ? host.slice('api.'.length) : host
}

export const fullName = ({ owner, name }: Repository): string => `${owner}/${name}`

export const isSameRepository = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
