import { defineConfig } from 'vitest/config'

/** A browser or a process beside other work takes its time: what is polled for comes, or the test fails. */
const expectation = { poll: { timeout: 20_000, interval: 50 } }
const shared = { hookTimeout: 240_000, pool: 'forks', expect: expectation } as const

/** Suites run two files at a time on small machines; each file owns its temporary folders, ports and processes. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          ...shared,
          name: 'local',
          include: ['test/**/*.test.ts'],
          exclude: ['test/cluster/**'],
          testTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Each takes the whole machine: one file after the other, when the others are through.
        test: {
          ...shared,
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
