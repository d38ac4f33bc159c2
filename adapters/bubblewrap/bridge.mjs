// The first program in a sandbox that may reach a model: carries connections from the sandbox's loopback to the one
// socket it was given, runs the command, and ends as it ends. Plain JavaScript: it runs where nothing of ours is but Node.
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { constants } from 'node:os'

const [, , port, socket, command, ...args] = process.argv

const server = createServer({ allowHalfOpen: true }, (inside) => {
  const outside = connect({ path: socket, allowHalfOpen: true })
  const end = () => {
    inside.destroy()
    outside.destroy()
  }
  inside.on('error', end).pipe(outside)
  outside.on('error', end).pipe(inside)
})

server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(command, args, { stdio: 'inherit' })
  child.on('error', (error) => {
    process.stderr.write(`${error.message}\n`)
    process.exit(127)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
})
