/** The files of a job on this machine: blobs become the folder it reads, the folder it wrote becomes blobs (J4). */

import { constants } from 'node:fs'
import { copyFile, lstat, mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { blobKey, digestFile, putBlobFile, type ObjectStore } from '#core/storage'
import type { JobOutputs, JobSpec } from './jobs.ts'

/** The folders of one generation of a job. */
export class JobFolders {
  readonly input: string
  readonly output: string
  readonly scratch: string

  constructor(readonly folder: string) {
    this.input = path.join(folder, 'in')
    this.output = path.join(folder, 'out')
    this.scratch = path.join(folder, 'scratch')
  }

  /** What the command is told of them. */
  get env(): Readonly<Record<string, string>> {
    return { GYRE_INPUT: this.input, GYRE_OUTPUT: this.output, GYRE_SCRATCH: this.scratch }
  }

  /** @throws {PlatformError} `OBJECT_NOT_FOUND`; `OBJECT_CORRUPT` when an input does not have its digest. */
  async furnish(store: ObjectStore, { inputs = {} }: JobSpec): Promise<void> {
    await Promise.all([this.input, this.output, this.scratch].map((folder) => mkdir(folder, { recursive: true })))
    for (const [name, sha256] of Object.entries(inputs)) {
      const file = path.join(this.input, name)
      // A copy or a reflink: a job that writes to its input must not change the blob.
      await copyFile(await store.localFile(blobKey(sha256), this.scratch), file, constants.COPYFILE_FICLONE)
      const actual = await digestFile(file)
      if (actual !== sha256)
        throw new PlatformError('OBJECT_CORRUPT', `input ${name} should be blob ${sha256} and has digest ${actual}`, {
          sha256,
          actual,
        })
    }
    if (Object.keys(inputs).length > 0) await rm(path.join(this.scratch, 'blobs'), { recursive: true, force: true })
  }

  /** Keeps what there is of the outputs. */
  async keep(store: ObjectStore, { outputs = [] }: JobSpec): Promise<JobOutputs> {
    const kept: Record<string, JobOutputs[string]> = {}
    for (const name of outputs) {
      const file = path.join(this.output, name)
      const facts = await lstat(file).catch(() => null)
      if (facts?.isFile()) kept[name] = await putBlobFile(store, file)
    }
    return kept
  }

  /** Nobody reads them after the outcome is known. */
  async clear(): Promise<void> {
    await Promise.all(
      [this.input, this.output, this.scratch].map((folder) => rm(folder, { recursive: true, force: true })),
    )
  }
}
