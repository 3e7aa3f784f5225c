/**
 * Lets a test decide in which order the store calls of several actors take place, when their clock goes on, and when one
 * of them dies, so that a property test goes through interleavings that real time would show once in a year.
 */

import type { ListOptions, ObjectInfo, ObjectKey, ObjectStore } from '#core/storage'

export class Killed extends Error {}

/** Sleeps before its call with this number, for so many nights. */
export interface Nap {
  readonly beforeCall: number
  readonly nights: number
}

interface Turn {
  readonly actor: string
  /** Nights to sleep before it waits. */
  nights: number
  take(): void
  kill(): void
}

export class Interleaving {
  readonly #waiting: Turn[] = []
  readonly #killed = new Set<string>()
  readonly #naps = new Map<string, Nap>()
  readonly #calls = new Map<string, number>()
  #active = 0

  /** The store as one actor sees it: every call waits for its turn. */
  storeFor(store: ObjectStore, actor: string): ObjectStore {
    const turn = () => this.#turn(actor)
    const gated = async <T>(call: () => Promise<T>): Promise<T> => {
      await turn()
      return call()
    }
    return {
      uri: store.uri,
      create: (key, bytes) => gated(() => store.create(key, bytes)),
      createFromFile: (key, file) => gated(() => store.createFromFile(key, file)),
      get: (key) => gated(() => store.get(key)),
      getRange: (key, offset, length) => gated(() => store.getRange(key, offset, length)),
      head: (key) => gated(() => store.head(key)),
      localFile: (key, directory) => gated(() => store.localFile(key, directory)),
      delete: (key) => gated(() => store.delete(key)),
      list: (prefix, options) => inPages(store, prefix, options, turn),
    }
  }

  /** Starts an actor; what it dies of is the test's to hear, but for being killed. */
  start(actor: string, work: () => Promise<unknown>, nap?: Nap): Promise<void> {
    this.#active += 1
    this.#calls.set(actor, 0)
    if (nap) this.#naps.set(actor, nap)
    this.#killed.delete(actor)
    return work()
      .then(() => undefined)
      .catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error
      })
      .finally(() => (this.#active -= 1))
  }

  /** Lets the call with this number, counted round the calls that are awake, take place. @returns false when none is. */
  async step(number: number): Promise<boolean> {
    await this.#settle()
    const awake = this.#waiting.filter(({ nights }) => nights === 0)
    const turn = awake[number % Math.max(1, awake.length)]
    if (!turn) return false
    this.#waiting.splice(this.#waiting.indexOf(turn), 1)
    turn.take()
    await flush()
    return true
  }

  passNight(): void {
    for (const turn of this.#waiting) turn.nights = Math.max(0, turn.nights - 1)
  }

  /** As kill −9: no call of the actor takes place any more. */
  async kill(actor: string): Promise<void> {
    await this.#settle()
    this.#killed.add(actor)
    for (const turn of this.#waiting.filter((waiting) => waiting.actor === actor)) {
      this.#waiting.splice(this.#waiting.indexOf(turn), 1)
      turn.kill()
    }
    await flush()
  }

  /** Until all have ended, or sleep. */
  async finish(): Promise<void> {
    while (await this.step(0));
  }

  #turn(actor: string): Promise<void> {
    if (this.#killed.has(actor)) return Promise.reject(new Killed())
    const call = this.#calls.get(actor) ?? 0
    this.#calls.set(actor, call + 1)
    const nap = this.#naps.get(actor)
    const nights = nap?.beforeCall === call ? nap.nights : 0
    return new Promise((take, reject) => this.#waiting.push({ actor, nights, take, kill: () => reject(new Killed()) }))
  }

  /** Until somebody waits for a turn, or nobody is left: some wait for a timer. */
  async #settle(): Promise<void> {
    await flush()
    while (this.#waiting.length === 0 && this.#active > 0) await new Promise((done) => setTimeout(done, 1))
  }
}

/** Two objects at a time, so that the store changes while it is listed. */
async function* inPages(
  store: ObjectStore,
  prefix: string,
  { startAfter, limit = Infinity }: ListOptions = {},
  turn: () => Promise<void>,
): AsyncIterable<ObjectInfo> {
  let after: ObjectKey | undefined = startAfter
  for (let left = limit; left > 0;) {
    await turn()
    const page: ObjectInfo[] = []
    for await (const info of store.list(prefix, {
      limit: Math.min(2, left),
      ...(after === undefined ? {} : { startAfter: after }),
    }))
      page.push(info)
    yield* page
    left -= page.length
    after = page.at(-1)?.key
    if (page.length < 2) return
  }
}

function flush(): Promise<void> {
  return new Promise((done) => setImmediate(done))
}
