/**
 * Warm threads for small steps: loading a user's code costs a hundred times what such a step does. A thread serves one
 * bundle alone, one body at a time, and what its modules keep in memory lasts from one body to the next.
 */

import os from 'node:os'
import type { Logger } from '#core/log'
import { ComputeThread } from './compute-thread-host.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'

export interface ThreadPoolOptions {
  readonly log: Logger
  /** A thread without work ends after this long. */
  readonly idleMs?: number
}

/** Where all cores have a thread already, a body waits so long for one of them before it gets another one. */
const PATIENCE_MS = 20

interface Waiting {
  readonly timer: NodeJS.Timeout
  take(thread: ComputeThread): void
}

/** The threads of one bundle. */
interface Crew {
  readonly idle: { readonly thread: ComputeThread; readonly timer: NodeJS.Timeout }[]
  readonly waiting: Waiting[]
  threads: number
}

export class ThreadPool {
  readonly #log: Logger
  readonly #idleMs: number
  readonly #crews = new Map<string, Crew>()

  constructor({ log, idleMs = 30_000 }: ThreadPoolOptions) {
    this.#log = log
    this.#idleMs = idleMs
  }

  /** Threads that live. */
  get size(): number {
    return [...this.#crews.values()].reduce((sum, { threads }) => sum + threads, 0)
  }

  /** As `runInThread`, in a thread that has carried out the same bundle before where there is one. */
  async run(request: BodyRequest, hooks: BodyHooks): Promise<unknown> {
    const crew = this.#crewOf(request.bundle ?? '')
    const thread = await this.#take(crew)
    hooks.onBegin?.()
    try {
      return await thread.call(request, hooks)
    } finally {
      this.#giveBack(crew, thread)
    }
  }

  /** Ends the threads without work, and each other one after its body. */
  close(): void {
    for (const crew of this.#crews.values())
      for (const { thread, timer } of crew.idle.splice(0)) {
        clearTimeout(timer)
        thread.close()
      }
  }

  #crewOf(bundle: string): Crew {
    const crew = this.#crews.get(bundle) ?? { idle: [], waiting: [], threads: 0 }
    this.#crews.set(bundle, crew)
    return crew
  }

  async #take(crew: Crew): Promise<ComputeThread> {
    const found = crew.idle.pop()
    if (found) {
      clearTimeout(found.timer)
      return found.thread
    }
    if (crew.threads < os.availableParallelism()) return this.#start(crew)
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        crew.waiting.splice(crew.waiting.indexOf(one), 1)
        resolve(this.#start(crew))
      }, PATIENCE_MS)
      const one: Waiting = { timer, take: resolve }
      crew.waiting.push(one)
    })
  }

  #start(crew: Crew): ComputeThread {
    const thread = new ComputeThread(this.#log)
    crew.threads += 1
    void thread.ended.then(() => {
      crew.threads -= 1
      const at = crew.idle.findIndex((one) => one.thread === thread)
      if (at !== -1) clearTimeout(crew.idle.splice(at, 1)[0]!.timer)
    })
    return thread
  }

  #giveBack(crew: Crew, thread: ComputeThread): void {
    const next = crew.waiting.shift()
    if (next) {
      clearTimeout(next.timer)
      return next.take(thread.isAlive ? thread : this.#start(crew))
    }
    if (!thread.isAlive) return
    const timer = setTimeout(() => {
      crew.idle.splice(
        crew.idle.findIndex((one) => one.thread === thread),
        1,
      )
      thread.close()
    }, this.#idleMs).unref()
    crew.idle.push({ thread, timer })
  }
}
