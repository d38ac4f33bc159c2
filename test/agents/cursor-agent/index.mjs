import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const text = { type: 'string' }
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    print: { type: 'boolean', short: 'p' },
    force: { type: 'boolean' },
    trust: { type: 'boolean' },
    sandbox: text,
    model: text,
    'output-format': text,
    endpoint: text,
    'agent-endpoint': text,
  },
})

function give(up) {
  process.stderr.write(`${up}\n`)
  process.exit(1)
}

if (!values.print || values['output-format'] !== 'json') give('Only the headless form is served here.')
if (!values.trust) give('Workspace Trust Required')
const settings = JSON.parse(readFileSync(`${process.env.HOME}/.cursor/cli-config.json`, 'utf8'))
if (settings.network?.useHttp1ForAgent !== true) give('[internal] Protocol error')
const task = `${positionals.join(' ')}\n${readFileSync(0, 'utf8')}`

async function exchange() {
  const answer = await fetch(`${values.endpoint}/auth/exchange_user_api_key`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${process.env.CURSOR_API_KEY}` },
    body: '{}',
  })
  if (!answer.ok) give('Warning: The provided API key is invalid.')
  const { accessToken } = await answer.json()
  const { exp } = JSON.parse(Buffer.from(accessToken.split('.')[1], 'base64url').toString())
  if (exp * 1_000 < Date.now()) give('The session has expired.')
  return accessToken
}

const token = await exchange()
const headers = {
  authorization: `Bearer ${token}`,
  'connect-protocol-version': '1',
  'x-cursor-client-type': 'cli',
  'x-cursor-client-version': 'cli-2026.09.02-c22c1a3',
}

async function ask(path, message) {
  const body = JSON.stringify(message)
  const answer = await fetch(`${values.endpoint}${path}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/proto' },
    body,
  })
  return { ok: answer.ok, text: await answer.text() }
}

for (const path of ['DashboardService/GetMe', 'ServerConfigService/GetServerConfig', 'AiService/GetUsableModels'])
  if (!(await ask(`/aiserver.v1.${path}`, {})).ok) give('No model found')
// What it cannot report it goes without.
await ask('/aiserver.v1.AnalyticsService/Batch', { machine: 'this one' })

const request = crypto.randomUUID()
let seqno = 0
const append = (message) =>
  ask('/aiserver.v1.BidiService/BidiAppend', { request, seqno: seqno++, model: values.model, ...message })

function envelope(message) {
  const bytes = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function run(command) {
  try {
    return execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
  } catch (error) {
    return `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`
  }
}

// The question may overtake the stream that answers it.
const asked = append({ prompt: task })
const stream = await fetch(`${values['agent-endpoint']}/agent.v1.AgentService/RunSSE`, {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/connect+proto' },
  body: envelope({ request }),
})
if (!stream.ok) give(`Error: ${stream.status} ${await stream.text()}`)
if (!(await asked).ok) give('The question was not taken.')

let held = Buffer.alloc(0)
let said = ''
for await (const chunk of stream.body) {
  held = Buffer.concat([held, chunk])
  while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
    const end = 5 + held.readUInt32BE(1)
    const message = JSON.parse(held.subarray(5, end).toString())
    const isLast = (held[0] & 2) !== 0
    held = held.subarray(end)
    if (isLast && message.error) give(`Error: [${message.error.code}] ${message.error.message}`)
    if (message.run) await append({ output: run(message.run) })
    said += message.text ?? ''
  }
}
const usage = { inputTokens: 1, outputTokens: 1 }
process.stdout.write(
  `${JSON.stringify({ type: 'result', subtype: 'success', is_error: false, duration_ms: 1, result: said, usage })}\n`,
)
