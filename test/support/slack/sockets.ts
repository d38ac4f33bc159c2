import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'

export type EnvelopeType = 'slash_commands' | 'interactive' | 'events_api'

/** Slack's side of Socket Mode: an envelope that was not acknowledged comes again on the next connection. */
export type Sockets = {
  urlFor(base: string): string
  /** Resolves with what was acknowledged with; sent again on each new connection until then. */
  send(type: EnvelopeType, payload: object, envelopeId?: string): Promise<unknown>
  /** Tells the app to renew, and ends the old connection a moment later. */
  renew(): void
  /** Breaks every connection without a word. */
  cut(): void
  /** Lets the next acknowledgements get lost with their connection. */
  loseAcks(times: number): void
  /** Connections that were ever made. */
  readonly opened: () => number
  whenOpened(times: number): Promise<void>
  close(): void
}

type Envelope = { readonly id: string; readonly text: string; readonly settle: (payload: unknown) => void }

export function openSockets(server: Server): Sockets {
  const sockets = new WebSocketServer({ server, path: '/link' })
  const waiting = new Map<string, Envelope>()
  const live: WebSocket[] = []
  let opened = 0
  let lost = 0
  sockets.on('connection', (socket) => {
    opened += 1
    live.push(socket)
    socket.on('close', () => void live.splice(live.indexOf(socket), 1))
    socket.on('message', (data) => {
      const { envelope_id, payload } = JSON.parse((data as Buffer).toString('utf8')) as {
        envelope_id: string
        payload?: unknown
      }
      if (lost > 0) {
        lost -= 1
        return socket.terminate()
      }
      waiting.get(envelope_id)?.settle(payload)
      waiting.delete(envelope_id)
    })
    socket.send(JSON.stringify({ type: 'hello', num_connections: live.length, connection_info: { app_id: 'A01' } }))
    for (const { text } of waiting.values()) socket.send(text)
  })
  return {
    urlFor: (base) => `${base.replace('http', 'ws')}/link?ticket=canary-ticket&app_id=A01`,
    send: (type, payload, id = `env-${Math.random().toString(36).slice(2)}`) =>
      new Promise((settle) => {
        const text = JSON.stringify({ type, envelope_id: id, payload, accepts_response_payload: type !== 'events_api' })
        waiting.set(id, { id, text, settle })
        live.at(-1)?.send(text)
      }),
    renew: () => {
      for (const socket of live) socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }))
    },
    cut: () => {
      for (const socket of live) socket.terminate()
    },
    loseAcks: (times) => void (lost = times),
    opened: () => opened,
    whenOpened: async (times) => {
      const deadline = performance.now() + 40_000
      for (;;) {
        if (opened >= times) return
        if (performance.now() > deadline) throw new Error(`${opened} connections, not ${times}`)
        await delay(5)
      }
    },
    close: () => {
      for (const socket of live) socket.terminate()
      sockets.close()
    },
  }
}
