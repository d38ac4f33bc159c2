import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/start.ts'

/** A process that uses the embedded database in the folder of its first argument until its standard input ends. */
const [dir = ''] = process.argv.slice(2)
const server = await startEmbeddedPostgres({ dir, durable: false, signal: AbortSignal.timeout(60_000) })
process.stdout.write(`${JSON.stringify({ joined: server.joined, ...server.connection })}\n`)
process.stdin.on('end', () => void server.stop()).resume()
