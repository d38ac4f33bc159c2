import { expect, test } from 'vitest'
import { grammar } from '../grammar.ts'
import { sayCommand, sayCommands } from './help.ts'

test('help has every command once, and no line that wraps because of its left column', () => {
  const lines = sayCommands('/')
  const ways = Object.values(grammar).flatMap(({ usage }) =>
    usage.includes('[+amount |') ? [usage] : usage.split(' | '),
  )
  for (const way of ways)
    expect(
      lines.filter((line) => `${line}  `.startsWith(`  /${way}  `)),
      way,
    ).toHaveLength(1)
  expect(lines.filter((line) => line.search(/\S {2,}\S/) > 38)).toEqual([])
})

test('help for one command shows each way to use it, and for what is none of ours nothing', () => {
  expect(sayCommand('key', 'qp ')).toEqual([
    'qp key add <label> [--scope read,operate,decide]',
    'qp key list',
    'qp key revoke <id>',
    '  let a program act for you over HTTP; add shows its secret once',
  ])
  expect(sayCommand('budget', 'qp ')?.slice(0, -1)).toEqual(['qp budget <run> [+amount | <call> <amount>]'])
  expect(sayCommand('quit', '/')).toBeNull()
})
