/**
 * What the engine adds: milliseconds per step, per cached step and per item of a map, on a whole stack. Beside it, in the
 * same run: the same work by hand on the same Temporal server, and in Prefect and Dagster.
 */

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ByHand } from '../engine/by-hand.ts'
import { Gyre, type Shape } from '../engine/gyre.ts'
import { measurePeers, type Peer } from '../engine/peers.ts'
import { machine, median, round, type BenchReport, type BenchRow } from '../report.ts'

const STEPS = 200
const WIDTH = 500
const ROUNDS = 3
/** A hand-written workflow and the peers take up to a hundred times as long per item: fewer items tell as much. */
const PEER_ITEMS = 1_000
const STARTS = 3

type Say = (line: string) => void

export const engine = {
  says: 'milliseconds per step, item and approval; beside a hand-written workflow, Prefect and Dagster',
  async run({ say }: { say: Say }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-engine-'))
    try {
      const coldStarts = await coldStartsOf(folder, say)
      const rows = await measured(path.join(folder, 'measured'), say)
      const peers = await measurePeers(folder, { chain: STEPS, fan: WIDTH, map: PEER_ITEMS }, say)
      const note = '`gyre dev` on a new folder, until its API answers'
      const cold = row('dev-cold-start-ms', median(coldStarts), 'ms', note)
      return { area: 'engine', machine: machine(), rows: [...rows, cold].map((one) => beside(one, peers)) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function coldStartsOf(folder: string, say: Say): Promise<readonly number[]> {
  const starts: number[] = []
  for (let index = 0; index < STARTS; index += 1) {
    say(`cold start ${index + 1} of ${STARTS}`)
    const gyre = await Gyre.start(path.join(folder, `cold-${index}`))
    starts.push(gyre.coldStartMs)
    await gyre.stop()
  }
  return starts
}

async function measured(state: string, say: Say): Promise<readonly BenchRow[]> {
  const gyre = await Gyre.start(state)
  try {
    const byHand = await ByHand.start(gyre.address)
    try {
      return await measure(gyre, byHand, say)
    } finally {
      await byHand.stop()
    }
  } finally {
    await gyre.stop()
  }
}

async function measure(gyre: Gyre, byHand: ByHand, say: Say): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  const chain = async (name: string, shape: Shape): Promise<void> => {
    const ours = await alternately(
      () => gyre.run(shape, STEPS, randomUUID()).then(({ ms }) => ms / STEPS),
      () => byHand.chain(STEPS).then((ms) => ms / STEPS),
    )
    rows.push({ ...row(name, ours.ms, 'ms', `${STEPS} steps in a row`), peers: { 'hand-written': round(ours.peerMs) } })
  }
  say(`${STEPS} steps in a row`)
  await gyre.run('chain', STEPS, 'warm')
  await chain('sequential-step-ms', 'chain')
  await chain('in-process-step-ms', 'quick-chain')
  say(`${STEPS} cached steps`)
  const cached = await repeated(() => gyre.run('chain', STEPS, 'warm').then(({ ms }) => ms / STEPS))
  rows.push(row('cached-step-ms', median(cached), 'ms', `the same ${STEPS} steps again, in another run`))
  say(`${WIDTH} steps side by side`)
  const fan = await alternately(
    () => gyre.run('fan', WIDTH, randomUUID()).then(({ ms }) => ms / WIDTH),
    () => byHand.fan(WIDTH).then((ms) => ms / WIDTH),
  )
  const sides = row('fanout-500-ms-per-item', fan.ms, 'ms', `${WIDTH} nodes and one that joins them`)
  rows.push({ ...sides, peers: { 'hand-written': round(fan.peerMs) } })
  rows.push(...(await maps(gyre, byHand, say)))
  say('from an approval to the next step')
  const approvals = await alternately(
    () => gyre.approval(randomUUID()),
    () => byHand.approval(),
  )
  const answered = row('approval-to-next-step-ms', approvals.ms, 'ms', 'from the request with the answer on')
  rows.push({ ...answered, peers: { 'hand-written': round(approvals.peerMs) } })
  return rows
}

async function maps(gyre: Gyre, byHand: ByHand, say: Say): Promise<readonly BenchRow[]> {
  const handWritten = { 'hand-written': round((await byHand.map(PEER_ITEMS)) / PEER_ITEMS) }
  const rows: BenchRow[] = []
  const peaks: number[] = []
  for (const items of [1_000, 10_000, 100_000]) {
    say(`a map over ${items} items`)
    let seen = { ms: 0, events: 0 }
    peaks.push(await gyre.peakMib(async () => (seen = await gyre.run('map', items, randomUUID()))))
    if (items < 10_000) continue
    const note = `${seen.events} events; peers over ${PEER_ITEMS} items`
    rows.push({ ...row(`map-${items / 1_000}k-ms-per-item`, seen.ms / items, 'ms', note), peers: handWritten })
  }
  const [few, some, many] = peaks.map(Math.round) as [number, number, number]
  rows.push(row('map-100k-peak-mib', many, 'MiB', `of the worker; ${few} at 1,000 items, ${some} at 10,000`))
  return rows
}

/** Both in turns, so that neither has the quieter machine. */
async function alternately(
  ours: () => Promise<number>,
  peer: () => Promise<number>,
): Promise<{ readonly ms: number; readonly peerMs: number }> {
  const [mine, theirs]: [number[], number[]] = [[], []]
  for (let index = 0; index < ROUNDS; index += 1) {
    mine.push(await ours())
    theirs.push(await peer())
  }
  return { ms: median(mine), peerMs: median(theirs) }
}

async function repeated(work: () => Promise<number>): Promise<readonly number[]> {
  const values: number[] = []
  for (let index = 0; index < ROUNDS; index += 1) values.push(await work())
  return values
}

function row(name: string, value: number, unit: string, note: string): BenchRow {
  return { name, unit, value: round(value), better: 'lower', peers: {}, note }
}

/** Adds what Prefect and Dagster took for the same, and with which executor. */
function beside(one: BenchRow, peers: readonly Peer[]): BenchRow {
  const figures: Record<string, number> = { ...one.peers }
  const notes = [one.note]
  for (const { name, figures: measured, coldStartMs } of peers) {
    if (one.name === 'dev-cold-start-ms') figures[name] = round(coldStartMs)
    for (const { row: of, executor, ms } of measured) {
      if (of !== one.name) continue
      figures[name] = round(ms)
      notes.push(`${name}: ${executor}`)
    }
  }
  return { ...one, peers: figures, note: notes.join('; ') }
}
