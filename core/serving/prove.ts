/**
 * The proof that an endpoint is the evaluated model: held-out image files go through its live address, as an application
 * would send them, and every answer must be the evaluated one.
 */

import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { Endpoint, StepInput, StepOutput, proveEndpoint as definition } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { predictImage, type ImagePrediction } from './client.ts'
import { readGatewayUrl } from './endpoints.ts'

type Context = Pick<StepContext, 'store' | 'signal' | 'progress'>

interface Expected {
  readonly digest: string
  readonly class: string
}

const IN_FLIGHT = 8
/** Two classes this close are a tie, which the size of a batch may decide by rounding. */
const TIE = 1e-5
const SHOWN = 3
const PROGRESS_EVERY = 25

const predictionLine = z.object({ digest: z.string(), class: z.string() })
const oracleFile = z.record(z.string(), z.string())

/** @throws {PlatformError} `ENDPOINT_DISAGREES` naming images; `TOO_FEW_LABELS` without held-out images. */
export async function proveEndpoint(
  input: StepInput<typeof definition>,
  ctx: Context,
): Promise<StepOutput<typeof definition>> {
  const { openVersion } = await import('#core/datasets')
  const reader = await openVersion(ctx.store, input.version)
  const heldOut = (await reader.labels()).filter(({ split }) => split === 'test').map(({ digest }) => digest)
  const evaluated = await readPredictions(ctx.store, input.report.predictions.sha256)
  const chosen = evenly(
    heldOut.filter((digest) => evaluated.has(digest)),
    input.images,
  )
  if (chosen.length === 0)
    throw new PlatformError(
      'TOO_FEW_LABELS',
      'the report holds no prediction for a held-out image of this version; wire the version that was evaluated',
    )
  const oracle = input.oracle === undefined ? null : await readOracle(input.oracle)
  const url = await liveUrl(ctx.store, input.endpoint)

  const disagreeing: string[] = []
  let [checked, right, known, firstAnswerMs] = [0, 0, 0, 0]
  const check = async (digest: string, bytes: Uint8Array): Promise<void> => {
    const started = performance.now()
    const answer = await predictImage(url, input.endpoint.name, bytes, { name: `image ${digest}`, signal: ctx.signal })
    if (checked === 0) firstAnswerMs = performance.now() - started
    const expected = evaluated.get(digest) ?? { digest, class: '' }
    if (!agrees(answer, expected)) disagreeing.push(`${digest.slice(0, 12)}: ${answer.class}, not ${expected.class}`)
    const truth = oracle?.[digest]
    if (truth !== undefined) {
      known += 1
      if (truth === answer.class) right += 1
    }
    checked += 1
    if (checked % PROGRESS_EVERY === 0 || checked === chosen.length)
      ctx.progress({ done: checked, total: chosen.length, unit: 'images' })
  }
  await eachInFlight(reader.images(chosen), ({ digest, bytes }) => check(digest, bytes), ctx.signal)

  if (disagreeing.length > 0)
    throw new PlatformError(
      'ENDPOINT_DISAGREES',
      `endpoint ${input.endpoint.name} answers ${disagreeing.length} of ${checked} held-out images differently from the evaluation (${disagreeing.slice(0, SHOWN).join('; ')})`,
      { endpoint: input.endpoint.name, checked, agree: 1 - disagreeing.length / checked },
    )
  return { checked, agree: 1, accuracy: known === 0 ? null : right / known, firstAnswerMs }
}

function agrees(answer: ImagePrediction, expected: Expected): boolean {
  return answer.class === expected.class || answer.margin <= TIE
}

/** The first image goes alone, so that its time is one request's; the others several at once. */
async function eachInFlight<T>(
  items: AsyncIterable<T>,
  handle: (item: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | null = null
  let isFirst = true
  for await (const item of items) {
    signal.throwIfAborted()
    const one: Promise<void> = handle(item)
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => running.delete(one))
    running.add(one)
    if (isFirst || running.size >= IN_FLIGHT) await Promise.race(running)
    if (failure) break
    isFirst = false
  }
  await Promise.all(running)
  if (failure) throw (failure as { error: unknown }).error
}

async function readPredictions(store: ObjectStore, blob: string): Promise<Map<string, Expected>> {
  const lines = Buffer.from(await readBlob(store, blob))
    .toString()
    .split('\n')
  const parsed = lines.filter((line) => line !== '').map((line) => predictionLine.parse(JSON.parse(line)))
  return new Map(parsed.map((prediction) => [prediction.digest, prediction]))
}

async function readOracle(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `there is no readable oracle file ${file}`, { file }, { cause })
  })
  return oracleFile.parse(JSON.parse(text))
}

/** A gateway on this machine may have another port since the roll-out: its newest announcement holds. */
async function liveUrl(store: ObjectStore, { url }: Endpoint): Promise<string> {
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)
  return (isLocal ? await readGatewayUrl(store) : null) ?? url
}

/** At most `count` of the items, spread over the whole list. */
function evenly<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]).filter(
    (item) => item !== undefined,
  )
}
