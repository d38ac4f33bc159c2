import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'bench/**', '**/*.long.test.ts'],
    globalSetup: ['test/support/cluster.ts', 'test/support/sandbox-report.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // A journey takes ten seconds on a quiet machine, and three times that on a busy one.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
