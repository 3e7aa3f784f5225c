/**
 * What the store knows of jobs on a cluster: `jobs/<name>/<generation, 6 digits>/`. Every record is create-only, so that of
 * two workers at once one decides and both read the same.
 *
 * | key                  | what                                                        |
 * | -------------------- | ----------------------------------------------------------- |
 * | `spec.json`          | digest of the specification; decides who runs (J1)          |
 * | `log/<slot>.jsonl.gz`| lines, by the supervisor                                    |
 * | `out/<file>`         | an output, by the supervisor; a blob before the outcome     |
 * | `end.json`           | how the command ended, by the supervisor, last              |
 * | `cancelled.json`     | somebody decided against it                                 |
 * | `outcome.json`       | what it means (J2)                                          |
 * | `removed.json`       | forgotten: starting the name again begins anew              |
 *
 * Beside the generations lies `jobs/<name>/checkpoint`, by the supervisor of whichever Pod runs (J5).
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isPlatformError, PlatformError } from '#core/errors'
import { canonicalJson, digestFile, keepBlob, putBlobFile, type ObjectKey, type ObjectStore } from '#core/storage'
import type { JobOutcome, JobOutputs } from '../jobs.ts'
import type { JobEnd } from './classify.ts'

export interface Generation {
  readonly name: string
  /** Counts from 1. */
  readonly number: number
  readonly specSha256: string
  readonly outputs: readonly string[]
  readonly timeoutMs: number
  readonly graceMs: number
  /** The memory limit; null without one. */
  readonly memory: string | null
  /** How often generations before it ran out of memory. */
  readonly enlargements: number
}

/** How a generation ended, and what the next one is to do about it. */
export interface OutcomeRecord {
  readonly outcome: JobOutcome
  readonly enlarge?: boolean
}

export class JobRecords {
  constructor(readonly store: ObjectStore) {}

  /** The generation that was started last. */
  async latest(name: string): Promise<Generation | null> {
    let latest: ObjectKey | undefined
    for await (const { key } of this.store.list(`jobs/${name}/`)) if (SPEC.test(key)) latest = key
    return latest === undefined ? null : this.#read<Generation>(latest)
  }

  /** @returns false when another worker has created this generation. */
  create(generation: Generation): Promise<boolean> {
    return this.#create(this.key(generation, 'spec.json'), generation)
  }

  key({ name, number }: Pick<Generation, 'name' | 'number'>, file: string): ObjectKey {
    return `jobs/${name}/${String(number).padStart(6, '0')}/${file}`
  }

  outcome(job: Generation): Promise<OutcomeRecord | null> {
    return this.#read<OutcomeRecord>(this.key(job, 'outcome.json'))
  }

  /** @returns the outcome that stands: this one, or one recorded before. */
  async conclude(job: Generation, record: OutcomeRecord): Promise<OutcomeRecord> {
    const isOurs = await this.#create(this.key(job, 'outcome.json'), record)
    return isOurs ? record : ((await this.outcome(job)) ?? record)
  }

  end(job: Generation): Promise<JobEnd | null> {
    return this.#read<JobEnd>(this.key(job, 'end.json'))
  }

  async mark(job: Generation, what: 'cancelled' | 'removed'): Promise<void> {
    await this.#create(this.key(job, `${what}.json`), {})
  }

  async is(job: Generation, what: 'cancelled' | 'removed'): Promise<boolean> {
    return (await this.store.head(this.key(job, `${what}.json`))) !== null
  }

  /**
   * Makes blobs of the outputs, checking that each is what the supervisor sent (J4).
   *
   * @throws {PlatformError} `OBJECT_CORRUPT`; `OBJECT_NOT_FOUND`.
   */
  async keepOutputs(job: Generation, outputs: JobOutputs): Promise<void> {
    const scratch = await mkdtemp(path.join(tmpdir(), 'gyre-outputs-'))
    try {
      for (const [name, output] of Object.entries(outputs)) await this.#keepOutput(job, name, output, scratch)
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }

  async #keepOutput(job: Generation, name: string, { sha256 }: JobOutputs[string], scratch: string): Promise<void> {
    if (await keepBlob(this.store, sha256)) return
    const key = this.key(job, `out/${name}`)
    const file = await this.store.localFile(key, scratch)
    const actual = await digestFile(file)
    if (actual !== sha256)
      throw new PlatformError('OBJECT_CORRUPT', `output ${key} should have digest ${sha256} and has ${actual}`, {
        key,
        sha256,
        actual,
      })
    await putBlobFile(this.store, file)
  }

  /** What the supervisor sent is a blob by now, or is not wanted. */
  async clearOutputs(job: Generation): Promise<void> {
    for (const name of job.outputs) await this.store.delete(this.key(job, `out/${name}`))
  }

  checkpointKey(name: string): ObjectKey {
    return `jobs/${name}/checkpoint`
  }

  async #create(key: ObjectKey, value: unknown): Promise<boolean> {
    return this.store.create(key, Buffer.from(canonicalJson(value)))
  }

  async #read<T>(key: ObjectKey): Promise<T | null> {
    try {
      return JSON.parse(Buffer.from(await this.store.get(key)).toString()) as T
    } catch (error) {
      if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
      throw error
    }
  }
}

const SPEC = /^jobs\/[^/]+\/\d{6}\/spec\.json$/
