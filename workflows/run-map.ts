/**
 * Carries a step out once per item: opens the map, keeps chunks of its items at work, and joins what came of them.
 *
 * C1  Chunks are handed out in the order of the items to do; at most `concurrency` are at work.
 * C2  A chunk is meant to take a second: its size follows what items have taken so far.
 * C3  What is carried from one execution to the next is a handful of numbers: none is begun after 4,000 events.
 */

import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow'
import { mayLose } from '#core/plan'
import { mapActivities, type StepResult } from './proxies.ts'
import type { MapCounts, MapProgress, RunMapArgs } from './types.ts'

/** Tells the run how far one of its maps is. */
export const mapCounts = defineSignal<[MapCounts]>('map-counts')

const FIRST_CHUNK = 16
const MOST_ITEMS = 2_000
const CHUNK_MS = 1_000
/** A chunk has at most so many times the items of the one before: the first items may be unlike the others. */
const GROWTH = 8
const MOST_EVENTS = 4_000
/** The run hears of each twentieth of the items, and so do its histories. */
const NEWS = 20

export async function runMap(args: RunMapArgs): Promise<StepResult> {
  return new MapRun(args).execute()
}

class MapRun {
  readonly #running = new Set<Promise<void>>()
  #progress: MapProgress | null
  #failure: unknown = null
  #ended = 0

  constructor(private readonly args: RunMapArgs) {
    this.#progress = args.progress ?? null
  }

  async execute(): Promise<StepResult> {
    try {
      this.#progress ??= await this.#open()
      await this.#work()
      if (this.#failure) throw this.#failure as Error
    } catch (error) {
      if (isCancellation(error)) await CancellationScope.nonCancellable(() => Promise.all(this.#running))
      throw error
    }
    const progress = this.#progress
    if (progress.next < progress.todo && !this.#isLost(progress))
      return continueAsNew<typeof runMap>({ ...this.args, progress })
    return this.#activities('close').close({ ...this.args.map, atLeast: this.args.terms.atLeast })
  }

  async #open(): Promise<MapProgress> {
    const opened = await this.#activities('open').open({ ...this.args.map, input: this.args.input })
    const { items, hits, todo } = opened
    const progress = { items, hits, todo, next: 0, done: 0, failed: 0, told: 0, chunk: FIRST_CHUNK }
    await this.#tell(progress)
    return progress
  }

  /** Until all items are done, too many have failed, or this history is long enough. */
  async #work(): Promise<void> {
    const progress = this.#progress!
    for (;;) {
      const mayStart = !this.#failure && !this.#isLost(progress) && !isLong()
      while (mayStart && progress.next < progress.todo && this.#running.size < this.args.terms.concurrency)
        this.#start(progress)
      if (this.#running.size === 0) return
      const ended = this.#ended
      await condition(() => this.#ended > ended)
      await this.#tell(progress)
    }
  }

  #start(progress: MapProgress): void {
    const from = progress.next
    // The last chunks share what is left, so that no thread idles while another one has it all.
    const share = Math.ceil((progress.todo - from) / this.args.terms.concurrency)
    const to = Math.min(progress.todo, from + Math.max(1, Math.min(progress.chunk, share)))
    progress.next = to
    const work = this.#activities(`items ${from} to ${to}`)
      .chunk({ ...this.args.map, from, to, itemAttempts: this.args.terms.attempts })
      .then(({ done, failed, ms }) => {
        progress.done += done
        progress.failed += failed
        const wanted = Math.round(CHUNK_MS / Math.max(ms / (to - from), CHUNK_MS / MOST_ITEMS))
        progress.chunk = Math.max(1, Math.min(wanted, (to - from) * GROWTH, MOST_ITEMS))
      })
      .catch((error: unknown) => (this.#failure ??= error))
      .then(() => {
        this.#running.delete(work)
        this.#ended += 1
      })
    this.#running.add(work)
  }

  /** Whether more items have failed than may. */
  #isLost({ failed, items }: MapProgress): boolean {
    return failed > mayLose(items, this.args.terms.atLeast)
  }

  async #tell(progress: MapProgress): Promise<void> {
    const { items, hits, done, failed } = progress
    const counts = { node: this.args.map.call.node, items, hits, done, failed }
    setCurrentDetails(`${done + failed + hits} of ${items} items · ${failed} failed · ${hits} known from before`)
    const twentieth = Math.floor((NEWS * (done + failed + hits)) / Math.max(1, items))
    if (twentieth <= progress.told) return
    progress.told = twentieth
    const { parent } = workflowInfo()
    // A run that does not listen any more is no reason to stop.
    if (parent) await getExternalWorkflowHandle(parent.workflowId).signal(mapCounts, counts).catch(ignoreAllBut)
  }

  #activities(summary: string) {
    const { policy, settings, here } = this.args
    return mapActivities(here ? { ...policy, queue: 'pipeline' } : policy, settings, summary)
  }
}

function ignoreAllBut(error: unknown): void {
  if (isCancellation(error)) throw error
}

function isLong(): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo()
  return historyLength > MOST_EVENTS || continueAsNewSuggested
}
