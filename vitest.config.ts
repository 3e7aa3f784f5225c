import { defineConfig } from 'vitest/config'

/** Suites run one file at a time on small machines; each file owns its temporary folders, ports and processes. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 240_000,
    fileParallelism: true,
    maxWorkers: 2,
    pool: 'forks',
    reporters: ['default'],
  },
})
