import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'
import type { ServerConnection } from './administer.ts'

/** The way to a database, as a network is: it may break, or fall silent without saying so. */
export type Wire = {
  /** The database, by this way. */
  readonly connection: ServerConnection
  /** The next connection that sends this is broken before the server has it, or before its answer is here. */
  breakAt(words: string, when: 'sent' | 'answered'): void
  /** From now on nothing comes through on the connections that are open; new ones work. */
  silence(): void
  /** Nothing comes through any more, and new connections are answered by nobody. */
  cut(): void
  /** How many connections there are. */
  open(): number
}

/** Lays a way to a database; it is gone when the test ends. */
export async function openWire({ host, port, user, database }: ServerConnection): Promise<Wire> {
  const open = new Set<readonly [Socket, Socket]>()
  let trap: { readonly words: string; readonly when: 'sent' | 'answered' } | null = null
  let isCut = false
  const hush = (socket: Socket): void => void socket.removeAllListeners('data').resume()
  const wire = createServer((near) => {
    const far = connect(`${host}/.s.PGSQL.${port}`)
    const both = [near, far] as const
    open.add(both)
    for (const socket of both) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(both)
        for (const each of both) each.destroy()
      })
    }
    if (isCut) return
    let isDoomed = false
    near.on('data', (bytes) => {
      if (trap === null || !bytes.includes(trap.words)) return void far.write(bytes)
      if (trap.when === 'sent') near.destroy()
      else far.write(bytes)
      isDoomed = true
      trap = null
    })
    far.on('data', (bytes) => (isDoomed ? near.destroy() : near.write(bytes)))
  })
  wire.listen(0, '127.0.0.1')
  await once(wire, 'listening')
  const silence = (): void => [...open].flat().forEach(hush)
  onTestFinished(() => {
    wire.close()
    for (const socket of [...open].flat()) socket.destroy()
  })
  return {
    connection: { host: '127.0.0.1', port: (wire.address() as AddressInfo).port, user, database },
    breakAt: (words, when) => {
      trap = { words, when }
    },
    silence,
    open: () => open.size,
    cut: () => {
      isCut = true
      silence()
    },
  }
}
