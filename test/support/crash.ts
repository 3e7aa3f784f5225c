/**
 * Kills parts of the stack while a run is in flight and checks what must hold afterwards:
 *
 * C1  The run completes, with the same dataset version and model digest as an undisturbed run.
 * C2  A finished step is not redone: its times stay what they were when it was first seen finished.
 * C3  No object is half there: every blob has the digest in its name.
 * C4  No orphan holds a port after the end.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { RunReport } from '#core/runs'
import type { LiveStack } from './live-stack.ts'
import { type Part } from './live-stack.ts'

export interface Kill {
  /** Struck as soon as this step is seen running (or waiting, or finished, where it is quicker than we look). */
  readonly during: string
  readonly part: Part
}

export interface Facts {
  readonly dataset: unknown
  readonly model: unknown
  readonly report: RunReport
}

const RUN_MS = 10 * 60_000
const OVER = ['completed', 'failed', 'cancelled']

/** Runs `image-classifier` to its end, striking on the way. */
export async function runWithKills(
  stack: LiveStack,
  params: unknown,
  kills: readonly Kill[],
  say: (line: string) => void,
): Promise<Facts> {
  const answer = await stack.request('POST', '/api/pipelines/image-classifier/runs', { params })
  const { id } = (await answer.json()) as { id: string }
  const finishedAt = new Map<string, string>()
  for (const { during, part } of kills) {
    const seen = await stack.until(id, reached(during), RUN_MS)
    for (const step of seen.steps) if (step.status === 'completed') finishedAt.set(step.id, step.endedAt!)
    say(`kill ${part} during ${during} (${seen.steps.find((step) => step.id === during)!.status})`)
    await stack.kill(part)
    if (part === 'parent' || part === 'tree') await stack.start()
  }
  const report = await stack.until(id, ({ status }) => OVER.includes(status), RUN_MS)
  const redone = report.steps.filter(
    ({ id: step, endedAt }) => finishedAt.has(step) && finishedAt.get(step) !== endedAt,
  )
  if (redone.length > 0) throw new Error(`redone: ${redone.map((step) => step.id).join(', ')}`)
  if (report.status !== 'completed')
    throw new Error(`the run ended as ${report.status}: ${JSON.stringify(report.steps)}`)
  return { ...factsOf(report), report }
}

function factsOf(report: RunReport): Pick<Facts, 'dataset' | 'model'> {
  const outputs = (step: string): Record<string, unknown> =>
    report.steps.find(({ id }) => id === step)!.outputs as never
  return { dataset: (outputs('annotate').version as { version: string }).version, model: outputs('train').digest }
}

const reached =
  (during: string) =>
  (report: RunReport): boolean => {
    const status = report.steps.find(({ id }) => id === during)!.status
    return status !== 'queued' || OVER.includes(report.status)
  }

/** C3: paths of objects whose bytes are not what their name says, and of unfinished files outside the scratch area. */
export async function brokenObjects(state: string): Promise<readonly string[]> {
  const blobs = path.join(state, 'objects/default/blobs/sha256')
  const broken: string[] = []
  for (const prefix of await readdir(blobs))
    for (const name of await readdir(path.join(blobs, prefix))) {
      const hash = createHash('sha256')
      await pipeline(createReadStream(path.join(blobs, prefix, name)), hash)
      if (hash.digest('hex') !== name) broken.push(`${prefix}/${name}`)
    }
  return broken
}

/** C4: ports of the stack that somebody still listens on. */
export async function portsHeld(state: string): Promise<readonly number[]> {
  const ports = Object.values(
    JSON.parse(await readFile(path.join(state, 'ports.json'), 'utf8')) as Record<string, number>,
  )
  const held = await Promise.all(ports.map(async (port) => ((await listens(port)) ? port : null)))
  return held.filter((port) => port !== null)
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}
