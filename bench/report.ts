/** What every benchmark prints, for people and machines. */

import os from 'node:os'

export interface BenchRow {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly better: 'higher' | 'lower'
  /** Others doing the same thing in the same run. */
  readonly peers: Readonly<Record<string, number>>
  readonly note: string
}

export interface BenchReport {
  readonly area: string
  readonly machine: string
  readonly rows: readonly BenchRow[]
}

/** What the figures depend on, without naming the machine. */
export function machine(): string {
  const cpu = os.cpus()[0]?.model.trim() ?? 'unknown processor'
  return `${os.availableParallelism()} × ${cpu}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
}

export const round = (value: number): number => Number(value.toPrecision(4))

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
