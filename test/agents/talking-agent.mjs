#!/usr/bin/env node
// A coding agent as small as can be, in plain JavaScript as agents are installed: asks its model through the meter, runs
// what it is told, and answers with what that printed, until the model has no more to say.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const { MODEL, MODEL_BASE_URL } = process.env
const input = [{ type: 'message', role: 'user', content: readFileSync(0, 'utf8') }]
const tools = [{ type: 'function', name: 'exec_command', parameters: { type: 'object' } }]

async function ask() {
  const body = JSON.stringify({ model: MODEL, stream: true, input, tools })
  const answer = await fetch(`${MODEL_BASE_URL}/v1/responses`, { method: 'POST', body })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  const lines = (await answer.text()).split('\n').filter((line) => line.startsWith('data: '))
  return lines.map((line) => JSON.parse(line.slice(6))).find(({ type }) => type === 'response.output_item.done').item
}

function run(command) {
  try {
    return execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
  } catch (error) {
    return `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`
  }
}

for (;;) {
  const item = await ask()
  if (item.type !== 'function_call') {
    process.stdout.write(`${item.content[0].text}\n`)
    break
  }
  const output = run(JSON.parse(item.arguments).cmd)
  input.push(item, { type: 'function_call_output', call_id: item.call_id, output })
}
