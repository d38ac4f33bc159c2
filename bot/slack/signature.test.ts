import { createHmac } from 'node:crypto'
import { describe, expect, it, test } from 'vitest'
import { signed } from '../../test/support/slack/sign.ts'
import { isFromSlack } from './signature.ts'

// https://docs.slack.dev/authentication/verifying-requests-from-slack#validating-a-request
const published = {
  secret: '8f742231b10e8888abcd99yyyzzz85a5',
  time: '1531420618',
  signature: 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  body: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
}
const then = Number(published.time) * 1000
const headers = {
  'X-Slack-Request-Timestamp': published.time,
  'X-Slack-Signature': published.signature,
}
const bytes = Buffer.from(published.body)

test('the example that Slack publishes is let in', () => {
  expect(isFromSlack(published.secret, headers, bytes, then)).toBe(true)
})

test('one changed byte of the body or of the signature keeps a request out', () => {
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(isFromSlack(published.secret, headers, changed, then)).toBe(false)
  }
  for (let at = 0; at < published.signature.length; at++) {
    for (const bit of [1, 32]) {
      const signature = Buffer.from(published.signature)
      signature[at] = (signature[at] ?? 0) ^ bit
      const forged = { ...headers, 'X-Slack-Signature': signature.toString('latin1') }
      expect(isFromSlack(published.secret, forged, bytes, then), `byte ${at} bit ${bit}`).toBe(false)
    }
  }
})

test('each byte of a hundred bodies and of their signatures counts', () => {
  const wrong: string[] = []
  for (let n = 0; n < 100; n++) {
    const body = Buffer.from(JSON.stringify({ event_id: `Ev${n}`, text: '☃'.repeat(n % 7), n }))
    const signature = `v0=${createHmac('sha256', 's'.repeat(32)).update(`v0:${published.time}:`).update(body).digest('hex')}`
    const good = { 'x-slack-request-timestamp': published.time, 'x-slack-signature': signature }
    if (!isFromSlack('s'.repeat(32), good, body, then)) wrong.push(`${n} refused`)
    for (let at = 0; at < body.length; at++) {
      const changed = Buffer.from(body)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      if (isFromSlack('s'.repeat(32), good, changed, then)) wrong.push(`${n} body byte ${at}`)
    }
    for (let at = 0; at < signature.length; at++) {
      const forged = `${signature.slice(0, at)}${signature[at] === '0' ? '1' : '0'}${signature.slice(at + 1)}`
      if (isFromSlack('s'.repeat(32), { ...good, 'x-slack-signature': forged }, body, then))
        wrong.push(`${n} sig ${at}`)
    }
  }
  expect(wrong).toEqual([])
})

describe('a validly signed request', () => {
  it.each([
    [-301, false],
    [-300, true],
    [0, true],
    [300, true],
    [301, false],
  ])('of %i seconds from now is let in: %s', (skew, isIn) => {
    const given = signed(published.secret, 'x', skew)
    const nowMs = (Number(given['x-slack-request-timestamp']) - skew) * 1000
    expect(isFromSlack(published.secret, given, Buffer.from('x'), nowMs)).toBe(isIn)
  })
})

test.each([
  ['no signature', { 'x-slack-request-timestamp': published.time }],
  ['no time', { 'x-slack-signature': published.signature }],
  ['two signatures', { ...headers, 'x-slack-signature': published.signature }],
  ['a list of signatures', { ...headers, 'X-Slack-Signature': [published.signature, published.signature] }],
  [
    'signatures joined by a proxy',
    { ...headers, 'X-Slack-Signature': `${published.signature}, ${published.signature}` },
  ],
  ['two times', { ...headers, 'x-slack-request-timestamp': published.time }],
  ['a signature in capitals', { ...headers, 'X-Slack-Signature': published.signature.toUpperCase() }],
  ['an older scheme', { ...headers, 'X-Slack-Signature': published.signature.replace('v0=', 'sha1=') }],
  ['a signature cut short', { ...headers, 'X-Slack-Signature': published.signature.slice(0, -2) }],
  ['a signature of a megabyte', { ...headers, 'X-Slack-Signature': `v0=${'a'.repeat(1_000_000)}` }],
  ['a signature of other letters', { ...headers, 'X-Slack-Signature': `v0=${'é'.repeat(32)}` }],
  ['an empty signature', { ...headers, 'X-Slack-Signature': '' }],
  ['a time with a sign', { ...headers, 'X-Slack-Request-Timestamp': `+${published.time}` }],
  ['a time with a fraction', { ...headers, 'X-Slack-Request-Timestamp': `${published.time}.0` }],
  ['a time of a thousand digits', { ...headers, 'X-Slack-Request-Timestamp': '1'.repeat(1_000) }],
  ['no headers', {}],
])('%s: it is kept out and nothing breaks', (_, given) => {
  expect(isFromSlack(published.secret, given, bytes, then)).toBe(false)
})

test('an empty secret is a mistake of ours and lets nobody in', () => {
  expect(() => isFromSlack('', headers, bytes, then)).toThrow('signs for anybody')
})
