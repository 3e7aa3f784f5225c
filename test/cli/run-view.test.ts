import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { StepReport } from '#core/runs'
import { RunView } from '../../apps/cli/run-view.ts'

const START = '2026-01-01T00:00:00.000Z'
const at = (ms: number) => new Date(Date.parse(START) + ms).toISOString()

function step(extra: Partial<StepReport>): StepReport {
  return {
    ...{ id: 'embed', step: 'embed-images', needs: [], status: 'running', origin: null, attempts: 1 },
    ...{ startedAt: START, endedAt: null, reason: null, progress: null, outputs: null, code: null },
    ...extra,
  }
}

/** Lines of one step, with a clock that stands still unless moved. */
function viewAt(width: number) {
  const clock = { ms: 0, now: () => Date.parse(START) + clock.ms }
  const view = new RunView(width, clock)
  const lines = (extra: Partial<StepReport>) => view.stepLines(step(extra), 8).map(stripVTControlCharacters)
  return { clock, lines }
}

const version = { kind: 'dataset-version', dataset: 'parts', version: 'a'.repeat(64), images: 2400 }
const blob = { sha256: 'b'.repeat(64), sizeBytes: 1 }

describe('the line of a step', () => {
  it('shows count, rate and seconds while it runs', () => {
    const { clock, lines } = viewAt(84)
    clock.ms = 1_000
    lines({ progress: { done: 0, total: 2_400, unit: 'images' } })
    clock.ms = 3_000
    const [line] = lines({ progress: { done: 1_200, total: 2_400, unit: 'images', note: 'pass 1 of 2' } })
    expect(line).toBe(' embed     ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌  1,200 of 2,400 images  600 images/s  …'.padEnd(79) + '3.0 s')
  })

  it('says what it waits for, below where there is no room: before it begins, and in the middle', () => {
    const { lines } = viewAt(84)
    const waiting = '0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available.'
    expect(lines({ reason: waiting })).toEqual([
      ' embed     running'.padEnd(79) + '0.0 s',
      `           ${waiting.slice(0, 72)}…`,
    ])
    const [first, second] = lines({ reason: waiting, progress: { done: 3, unit: 'epochs', waiting } })
    expect(first).toContain('3 epochs')
    expect(second).toContain('0/1 nodes are available')
  })

  it('says the facts of what came out', () => {
    const { lines } = viewAt(80)
    const outputs = { ...version, duplicates: 1, nearDuplicates: 31, rejected: 0, report: blob }
    const [line] = lines({ id: 'import', step: 'import-images', status: 'completed', endedAt: at(3_100), outputs })
    expect(line).toBe(' import    2,400 images, 31 near-duplicates grouped, 1 duplicate'.padEnd(75) + '3.1 s')
  })

  it('says that a result was there before', () => {
    const { lines } = viewAt(80)
    const outputs = { kind: 'clusters', k: 60 }
    const [line] = lines({ status: 'completed', step: 'cluster-embeddings', origin: 'hit', endedAt: at(20), outputs })
    expect(line).toContain('same as before')
  })

  it('of the labelling adds what a person needs: beside it, or below where there is no room', () => {
    const stats = { images: 2400, screens: 38, shown: 900, misfits: 214, singles: 0, audits: 2, gold: 4 }
    const outputs = {
      version,
      session: 's',
      certificate: { kind: 'certificate', report: blob, atLeast: 0.981, confidence: 0.95 },
      stats: { ...stats, costModel: 'keyboard', humanSeconds: 660, speedUp: 7 },
    }
    const labelled = { id: 'annotate', step: 'annotate', status: 'completed', endedAt: at(9_200), outputs } as const
    const aside = 'a person: 11 min 00 s; one by one: 1 h 17 min (×7.0)'
    const facts = ' annotate  38 screens, 214 misfits, certified ≥ 98.1 %'.padEnd(75) + '9.2 s'
    expect(viewAt(80).lines(labelled)).toEqual([facts, `           ${aside}`])
    expect(viewAt(160).lines(labelled)).toEqual([`${facts.replace(/ +9\.2 s$/, '').padEnd(79)}9.2 s   ${aside}`])
  })

  it('never exceeds the width of the terminal', () => {
    const { lines } = viewAt(80)
    const long = 'x'.repeat(300)
    for (const status of ['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled', 'skipped'] as const)
      for (const line of lines({ status, reason: long, progress: { done: 1, total: 2, unit: 'images', note: long } }))
        expect(line.length).toBeLessThanOrEqual(80)
  })
})
