import { describe, expect, it } from 'vitest'
import { Fault } from '../../core/model/problem.ts'
import { parseAddress, type Scheme } from './address.ts'

const open = { allowedSchemes: ['https', 'ssh', 'file'] as readonly Scheme[], allowFolders: true }

const refusal = (address: string, rules = open): string => {
  try {
    parseAddress(address, rules)
  } catch (error) {
    if (error instanceof Fault && error.code === 'VALIDATION_ERROR' && !error.retryable) return error.message
    throw error
  }
  return 'accepted'
}

describe('an address', () => {
  it.each([
    ['/srv/shop', { kind: 'folder', path: '/srv/shop', name: 'shop' }],
    ['/srv/my shop/', { kind: 'folder', path: '/srv/my shop', name: 'my shop' }],
    ['file:///srv/a%20b.git', { kind: 'folder', path: '/srv/a b.git', name: 'a b' }],
    [
      'https://GitHub.com/o/shop.git',
      { kind: 'https', url: 'https://github.com/o/shop.git', host: 'github.com', port: 443, name: 'shop' },
    ],
    [
      'https://git.example:8443/shop/',
      { kind: 'https', url: 'https://git.example:8443/shop', host: 'git.example', port: 8443, name: 'shop' },
    ],
    [
      'https://[2606:4700::1]/o/r',
      { kind: 'https', url: 'https://[2606:4700::1]/o/r', host: '2606:4700::1', port: 443, name: 'r' },
    ],
    [
      'ssh://git@host.example:2222/o/shop',
      { kind: 'ssh', url: 'ssh://git@host.example:2222/o/shop', host: 'host.example', port: 2222, name: 'shop' },
    ],
    [
      'git@github.com:o/shop.git',
      { kind: 'ssh', url: 'git@github.com:o/shop.git', host: 'github.com', port: 22, name: 'shop' },
    ],
  ])('is taken: %s', (address, expected) => {
    expect(parseAddress(address, open)).toEqual(expected)
  })

  it.each([
    ['', 'An address is missing'],
    ['../shop', '"../shop" is not an address'],
    ['owner/shop', 'is not an address: give https://host/owner/repo.git'],
    ['http://github.com/o/r', 'http:// is not allowed: use https:// or ssh://.'],
    ['git://github.com/o/r', 'git:// is not allowed'],
    ['ext::sh -c id', 'white space'],
    ['ext::id', 'ext:: addresses start other programs'],
    ['fd::17', 'fd:: addresses start other programs'],
    ['--upload-pack=id', 'cannot begin with "-"'],
    ['https://github.com/o/r\n', 'control characters'],
    ['https://github.com/o/\u202er', 'control characters'],
    ['https://github.com/o/r%0ahost=evil', 'control characters'],
    ['https://github.com/o/ r', 'white space'],
    ['https://github.com/o/r?ref=x', 'goes on after "?"'],
    ['https://github.com', 'names a host but no repository'],
    ['https:///x', 'names a host but no repository'],
    ['https://', 'not a complete address'],
    ['ssh://-oProxyCommand=id/x', 'no plain user and host'],
    ['ssh://git@-oProxyCommand=id/x', 'no plain user and host'],
    ['ssh://a;b@host/x', 'no plain user and host'],
    ['git@-oProxyCommand=id:x', 'is not an address'],
    ['git@host:-x', 'begins with "-"'],
    ["git@ho'st:x", 'is not an address'],
    ['file://other/x', 'names another machine'],
    [`https://h.example/${'a'.repeat(3_000)}`, 'too long'],
  ])('is refused with the next step: %j', (address, sentence) => {
    expect(refusal(address)).toContain(sentence)
  })

  it('never carries a secret, and the refusal does not repeat it', () => {
    for (const address of [
      'https://canary@github.com/o/r',
      'https://u:canary@github.com/o/r',
      'ssh://git:canary@host/x',
      'canary@x',
      'https://github.com/o/r?token=canary',
    ])
      expect(refusal(address)).not.toContain('canary')
    expect(refusal('https://u:canary@github.com/o/r')).toContain("set the host's token in the settings")
  })

  it('is refused when its kind is switched off', () => {
    expect(refusal('/srv/shop', { ...open, allowFolders: false })).toContain('Folders are not allowed here')
    expect(refusal('file:///srv/shop', { allowFolders: false, allowedSchemes: ['https'] })).toBe(
      'file addresses are not allowed here: use https.',
    )
    expect(refusal('file:///srv/shop', { allowFolders: true, allowedSchemes: ['https', 'ssh'] })).toBe(
      'file addresses are not allowed here: give the path of a folder, or use https or ssh.',
    )
    expect(refusal('https://h.example/x', { allowedSchemes: [], allowFolders: true })).toContain('the path of a folder')
  })
})
