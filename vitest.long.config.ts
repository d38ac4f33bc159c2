import { defineConfig, mergeConfig } from 'vitest/config'
import usual from './vitest.config.ts'

// What takes minutes by nature: soaks, kills by the hundred. Each is named *.long.test.ts.
export default mergeConfig(
  { ...usual, test: { ...usual.test, include: [], exclude: ['**/node_modules/**', 'dist/**', 'bench/**'] } },
  defineConfig({ test: { include: ['**/*.long.test.ts'], testTimeout: 600_000, maxWorkers: 1 } }),
)
