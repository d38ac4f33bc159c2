import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A model's provider in a process of its own, so that what it holds is not counted as ours. It begins to answer each call
 * at once, and says no more before `POST /release`; `POST /break` breaks all off. `GET /held` tells how many calls wait. Ends with its standard input. Its
 * argument is what it says then, some lines at a time.
 */
const rest = process.argv[2]?.match(/[\s\S]{1,400}/g) ?? [' then.']
const held = new Set<ServerResponse>()

const said = (event: object): string => `data: ${JSON.stringify({ id: 'call-1', ...event })}\n\n`

function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(said({ choices: [{ index: 0, delta: { content: 'Well' } }] }))
  held.add(response)
  response.on('close', () => held.delete(response))
}

function end(response: ServerResponse): void {
  const usage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 }
  response.write(rest.map((content) => said({ choices: [{ index: 0, delta: { content } }] })).join(''))
  response.write(said({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
  response.end(`${said({ choices: [], usage })}data: [DONE]\n\n`)
}

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.url === '/held') return void response.end(String(held.size))
    if (request.url !== '/release' && request.url !== '/break') return begin(response)
    held.forEach(request.url === '/release' ? end : (call) => call.destroy())
    response.end()
  })
})
// Whoever is busy for a while finds its connection open, as with the large providers.
server.keepAliveTimeout = 60_000
server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 }, () =>
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`),
)
process.stdin.on('end', () => process.exit()).resume()
