import { main } from '../../main.ts'

/**
 * Runs commands one after the other, each as if it was typed, in one process that has loaded the program once. The first
 * argument is a list of lists of words, in JSON; a NUL, an exit code and a NUL follow what each has written.
 */
process.stdout.setMaxListeners(0)
for (const words of JSON.parse(process.argv[2] ?? '[]') as string[][]) {
  const exitCode = await main(words)
  process.stdout.write(`\0${exitCode}\0`)
}
