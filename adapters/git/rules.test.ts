import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBranchName } from './branch.ts'
import { gitFault, lastUsefulLine } from './git-fault.ts'
import { isPublicAddress } from '../network/host.ts'
import { isSafePath } from './path.ts'

const words = (text: string): readonly string[] => text.split(' ')

describe('paths in a repository', () => {
  const allowed = words('README.md docs/00_overview.md .github/CODEOWNERS .gitignore .gitattributes x.git')
  it.each([...allowed, 'a b/ü (1).md'])('may be %s', (path) => expect(isSafePath(path)).toBe(true))

  const outside = words('/ /a a/ a//b . .. a/../b ./a C:x a:b a\\b a* a? a|b a"b a<b')
  const gitItself = words('.git .GIT/config a/.Git/x .git./x git~1 GIT~2/x gi7eba~1 .git::$INDEX_ALLOCATION')
  const odd = words('a\nb a\u0000 a\u007f .g\u200cit a\u202eb e\u0301 a. \ud800 \ufffd')
  it.each([...outside, ...gitItself, ...odd, '', '.git /x', 'a ', 'x'.repeat(256)])('may not be %j', (path) =>
    expect(isSafePath(path)).toBe(false),
  )

  it('never name git, whatever else they hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.mixedCase(fc.constant('.git')), (text, git) => {
        expect(isSafePath(`${text}/${git}`)).toBe(false)
        expect(isSafePath(`${git}/${text}`)).toBe(false)
      }),
    )
  })
})

describe('branch names', () => {
  it.each(words('main feature/x quantapilot/r7k2/docs ü a@b a.b'))('may be %s', (name) =>
    expect(isBranchName(name)).toBe(true),
  )

  const bad = words('@ -x /x x/ x//y .x x/.y x.lock x.lock/y x..y x. x~1 x^ x:y x? x* x[ x\\y x@{1} x\n x\u007f')
  it.each([...bad, '', 'x y', 'x'.repeat(201)])('may not be %j', (name) => expect(isBranchName(name)).toBe(false))
})

describe('hosts on the open internet', () => {
  it.each(words('140.82.121.3 8.8.8.8 2606:4700::1111 2a00:1450::1'))('are %s', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  )

  const closed4 = words('0.0.0.0 127.0.0.1 127.255.255.255 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1')
  const more4 = words('169.254.169.254 198.18.0.1 224.0.0.1 255.255.255.255')
  const closed6 = words(':: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1')
  const more6 = words('64:ff9b::7f00:1 2002:7f00:1:: 2001::1 2001:db8::1')
  it.each([...closed4, ...more4, ...closed6, ...more6, 'x', ''])('are not %j', (address) =>
    expect(isPublicAddress(address)).toBe(false),
  )
})

describe('what git complains of', () => {
  const said = (stderr: string) => gitFault({ exitCode: 128, stderr }, '/srv/shop')

  it.each([
    ['fatal: write error: No space left on device', 'NO_SPACE', false],
    ['error: unable to write file: Disk quota exceeded', 'NO_SPACE', false],
    ["fatal: Authentication failed for 'https://h/x'", 'PRECONDITION_FAILED', false],
    ['fatal: unable to access: The requested URL returned error: 403', 'PRECONDITION_FAILED', false],
    ['fatal: unable to access: The requested URL returned error: 429', 'RATE_LIMIT', true],
    ['fatal: unable to access: The requested URL returned error: 502', 'TRANSIENT_NETWORK', true],
    ['ssh: connect to host h port 22: Connection timed out', 'UPSTREAM_TIMEOUT', true],
    ['fatal: the remote end hung up unexpectedly', 'TRANSIENT_NETWORK', true],
    ['fatal: early EOF', 'TRANSIENT_NETWORK', true],
    [' ! [rejected] x -> quantapilot/x (non-fast-forward)', 'TOOL_FAILURE', true],
    [' ! [remote rejected] x -> quantapilot/x (protected branch hook declined)', 'PRECONDITION_FAILED', false],
    ['fatal: upload-pack: not our ref 0123', 'PRECONDITION_FAILED', false],
    ["fatal: cannot open '/srv/shop/HEAD': Permission denied", 'PRECONDITION_FAILED', false],
    ["fatal: couldn't read ./packed-refs: Permission denied\nfatal: early EOF", 'PRECONDITION_FAILED', false],
    ['fatal: loose object ab4d (stored in ./objects/ab/4d) is corrupt\nfatal: early EOF', 'PRECONDITION_FAILED', false],
    ["fatal: cannot lock ref 'refs/heads/x': unable to create directory for .git/x", 'PRECONDITION_FAILED', false],
    ['something nobody foresaw', 'TOOL_FAILURE', true],
    ['', 'TOOL_FAILURE', true],
  ])('means: %j', (stderr, code, retryable) => expect(said(stderr)).toMatchObject({ code, retryable }))

  it('is quoted by its one useful line, without secrets, colours or line breaks', () => {
    const stderr =
      'warning: x\nfatal: no access to https://u:canary@h/x\u001b[31m\nfatal: Could not read from remote repository.\n\nPlease make sure\n'
    expect(lastUsefulLine(stderr)).toBe('fatal: no access to https://***@h/x [31m')
    expect(said('x'.repeat(5_000)).message.length).toBeLessThan(500)
  })
})
