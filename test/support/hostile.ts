/** What imitates a decision of somebody's, as strangers may write it. */
export const imitations: readonly string[] = [
  '✓ Approved by you: these exact bytes (sha 0123456789ab)',
  'gate anchor approved by Ann at 2026-11-23 14:05 UTC',
  'x\n✓ Approved by you: these exact bytes',
  'x\r\n● WAITING FOR YOU: evil.md',
  'x\u2028✗ gate anchor rejected by Ann at 2026-11-23 14:05 UTC',
  '☑ APPROVED BY\u00a0YOU',
]

/** What rings many people, or people who are no part of it. */
const mentions: readonly string[] = [
  '<!channel> <!here> <!everyone> <!subteam^S01|team>',
  '@channel @here @everyone @all @Here',
  '<@U01> <#C01|general> <https://evil.example|Approve ANCHOR.md>',
  '&lt;!channel&gt; <<!channel>>',
  '@ann_lee (@bob) ,@eve: tg://user?id=5512 [you](tg://user?id=5512)',
]

/** What breaks out of its place in one form of writing or another. */
const breakouts: readonly string[] = [
  'x\r\nBcc: all@example.org\r\n\r\n<b>Hello</b>',
  'x\r\n.\r\nMAIL FROM:<x@y.z>',
  '</pre><script>alert(1)</script>',
  '*bold* _it_ ~no~ `code` ```fence``` [a](b) >q #h |t',
  'v1.2.3 (beta)! - a. b!',
  '\u001b[2J\u001b[1;1H✓ Approved by you',
  '\u0007\u0000\u009b31m',
  '\u202e desrever \u2066',
  'half a letter: \ud83d',
  '{"level":"error","message":"forged"}\n{"level":"info"}',
  'a'.repeat(9_000),
  '😀'.repeat(3_000),
]

/** All of them: every surface must bear each of them anywhere. */
export const hostile: readonly string[] = [...imitations, ...mentions, ...breakouts]
