import { migrate } from '../../core/store/migrate.ts'

/** A process that migrates the database of its first argument with the folder of its second, and prints what it applied. */
const [url = '', folder = ''] = process.argv.slice(2)
const { applied } = await migrate({ connection: { url }, folder, log: () => undefined })
process.stdout.write(JSON.stringify(applied))
