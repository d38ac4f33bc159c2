import type { IncomingMessage } from 'node:http'

/** The parameters of a call; an uploaded file is `{name, text}`. */
export type Payload = Readonly<Record<string, unknown>>

/** Reads JSON or a multipart form. */
export async function readPayload(req: IncomingMessage): Promise<Payload> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  const type = req.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/')) return body.length > 0 ? (JSON.parse(body.toString()) as Payload) : {}
  const boundary = /boundary=([^;]+)/.exec(type)?.[1] ?? ''
  const fields = Object.fromEntries(partsOf(body.toString(), boundary))
  // A field `attach://x` stands for the file in field x.
  for (const [name, value] of Object.entries(fields))
    if (typeof value === 'string' && value.startsWith('attach://')) fields[name] = fields[value.slice(9)]
  return fields
}

/** By hand: grammY leaves out the blanks and quotes that Node's own parser of forms insists on. */
function partsOf(body: string, boundary: string): [string, unknown][] {
  const parts = body.split(`--${boundary}`).slice(1, -1)
  return parts.map((part) => {
    const [head = '', ...rest] = part.slice(2).split('\r\n\r\n')
    const text = rest.join('\r\n\r\n').replace(/\r\n$/, '')
    const file = /filename="?([^"\r\n;]*)/.exec(head)?.[1]
    return [/[; ]name="([^"]*)"/.exec(head)?.[1] ?? '', file === undefined ? readField(text) : { name: file, text }]
  })
}

function readField(value: string): unknown {
  if (!/^(?:[[{]|-?\d+$|true$|false$)/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
