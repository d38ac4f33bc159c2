import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const asked = z.object({
  input: z.array(z.object({ type: z.string().optional() })).optional(),
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })).optional(),
  tools: z.array(z.unknown()).optional(),
})

const inTime = (): Promise<void> => Promise.resolve()

/**
 * A provider of a model that has its agent run these commands, one after the other, and then says that it is done. The n-th
 * answer of a conversation goes out when `ready(n)` has resolved. Who writes documents gets its draft back.
 */
export async function openProvider(commands: readonly string[], ready: (n: number) => Promise<void> = inTime) {
  const keys: string[] = []
  const heard: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    const answer = async (): Promise<void> => {
      const text = Buffer.concat(chunks).toString()
      heard.push(text)
      const body = asked.parse(JSON.parse(text))
      keys.push(request.headers.authorization ?? '')
      const isResponses = request.url?.endsWith('/responses') === true
      const done = isResponses
        ? body.input?.filter(({ type }) => type === 'function_call_output').length
        : body.messages?.filter(({ role }) => role === 'tool').length
      if (body.tools) await ready(1 + (done ?? 0))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      // Without tools it is asked for a title.
      const command = body.tools ? commands[done ?? 0] : undefined
      const saying = draftIn(JSON.stringify(body.messages ?? [])) ?? 'All done.'
      for (const event of isResponses ? inResponses(command, done ?? 0) : inChat(command, { n: done ?? 0, saying }))
        response.write(`event: ${event.type ?? 'message'}\ndata: ${JSON.stringify(event)}\n\n`)
      response.end(isResponses ? '' : 'data: [DONE]\n\n')
    }
    request.on('end', () => void answer().catch(() => response.destroy()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return { url, keys, heard, close: () => new Promise((resolve) => server.close(resolve)) }
}

type Event = { readonly type?: string; readonly [name: string]: unknown }

/** The draft in a question of the model author; null in any other. */
function draftIn(question: string): string | null {
  const found = /<<< draft of \S+ (\w+)\\n(.*?)\\n>>> \1/.exec(question)?.[2]
  return found === undefined ? null : z.string().parse(JSON.parse(`"${found}"`))
}

function inResponses(cmd: string | undefined, n: number): readonly Event[] {
  const content = [{ type: 'output_text', text: 'All done.', annotations: [] }]
  const item =
    cmd === undefined
      ? { type: 'message', id: 'm', role: 'assistant', status: 'completed', content }
      : {
          type: 'function_call',
          id: `f${n}`,
          call_id: `c${n}`,
          name: 'exec_command',
          arguments: JSON.stringify({ cmd }),
        }
  const usage = { input_tokens: 100, output_tokens: 20, total_tokens: 120 }
  return [
    { type: 'response.created', response: { id: 'r' } },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { id: 'r', usage } },
  ]
}

type Answer = { readonly n: number; readonly saying: string }

function inChat(command: string | undefined, { n, saying }: Answer): readonly Event[] {
  const base = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' }
  const call = { name: 'bash', arguments: JSON.stringify({ command, description: 'work' }) }
  const delta =
    command === undefined
      ? { role: 'assistant', content: saying }
      : { role: 'assistant', tool_calls: [{ index: 0, id: `c${n}`, type: 'function', function: call }] }
  const finish_reason = command === undefined ? 'stop' : 'tool_calls'
  return [
    { ...base, choices: [{ index: 0, delta }] },
    { ...base, choices: [{ index: 0, delta: {}, finish_reason }] },
    { ...base, choices: [], usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } },
  ]
}
