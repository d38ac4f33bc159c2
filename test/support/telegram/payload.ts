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
  const form = await new Response(body, { headers: { 'content-type': type } }).formData()
  const fields: Record<string, unknown> = {}
  for (const [name, value] of form)
    fields[name] = typeof value === 'string' ? readField(value) : { name: value.name, text: await value.text() }
  // A field `attach://x` stands for the file in field x.
  for (const [name, value] of Object.entries(fields))
    if (typeof value === 'string' && value.startsWith('attach://')) fields[name] = fields[value.slice(9)]
  return fields
}

function readField(value: string): unknown {
  if (!/^(?:[[{]|-?\d+$|true$|false$)/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
