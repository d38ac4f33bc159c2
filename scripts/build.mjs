// Compiles what `main.ts` reaches into dist/, for the published package: Node runs no TypeScript below node_modules.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
rmSync(join(root, 'dist'), { recursive: true, force: true })
const tsc = join(root, 'node_modules', '.bin', 'tsc')
const { status, error } = spawnSync(tsc, ['--project', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (error) throw error
// What the compiler leaves behind: prompts, and the first program of a sandbox, which is plain JavaScript.
for (const left of [
  'adapters/model-author/prompts',
  'adapters/model-reviewer/prompts',
  'adapters/bubblewrap/bridge.mjs',
])
  cpSync(join(root, left), join(root, 'dist', left), { recursive: true })
process.exitCode = status ?? 1
