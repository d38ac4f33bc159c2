import { main } from '../../main.ts'
import { pipelines } from '../../pipelines/index.ts'
import { dangerous } from './poison.ts'

/** The program itself, with pipelines that kill the process they run in. */
process.exitCode = await main(process.argv.slice(2), {
  launcher: import.meta.filename,
  pipelines: (ports) => ({ ...pipelines(ports), ...dangerous }),
})
