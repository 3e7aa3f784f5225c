/**
 * Jobs on Kubernetes: one `batch/v1` Job per generation, `<name>-g<n>`. The store holds the truth (`job-records.ts`), the
 * cluster only carries it out; so any worker, now or after a crash, comes to the same answers.
 *
 * K1  A generation's `spec.json` decides who it belongs to; its Job is made by whoever finds it missing, and adopted by the
 *     digest of the specification. Whoever makes a Job looks afterwards whether the generation was decided against or ended
 *     meanwhile, and then deletes the Job: so no Job outlives its generation.
 * K2  A new generation begins only when the Job of the former one is gone or over.
 * K3  How a Job ended is decided once, by `outcome.json`, after its outputs are blobs.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import { blobKey, digestJson, type ObjectStore } from '#core/storage'
import { checkFileNames, checkJobName, jobConflict, jobNotFound } from '../job-errors.ts'
import type { JobOutcome, JobRunner, JobSpec, WaitOptions } from '../jobs.ts'
import { LABELS, MANAGED_BY, type ClusterSettings } from './api.ts'
import { classify, enlarged, isOver, mayHaveEnded, newest } from './classify.ts'
import { JobApi } from './job-api.ts'
import { LineFeed, LiveLog, readStoredLogs } from './job-log.ts'
import {
  CHECKPOINT_FOLDER,
  CONTAINER,
  jobManifest,
  jobObjectName,
  planSecret,
  WORK_FOLDERS,
  type SupervisorPlan,
} from './job-manifest.ts'
import { keepOfJob, keepOfPod, type JobObject, type PodObject } from './job-objects.ts'
import { JobRecords, type Generation, type OutcomeRecord } from './job-records.ts'
import { watchObjects, type ObjectWatch } from './list-watch.ts'
import { Wakeup } from './wakeup.ts'

export interface KubernetesJobOptions extends ClusterSettings {
  /** Must be one that Pods reach through presigned addresses. */
  readonly objects: ObjectStore
  readonly log: Logger
}

export interface KubernetesJobRunner extends JobRunner {
  /** Ends the watches; jobs go on. */
  stop(): void
}

/** How long addresses hold: the longest that S3 allows. */
const WEEK_SECONDS = 604_800
const LOG_SLOTS = 64
/** Grace times, images that do not come and cancellations by others are looked for this often. */
const LOOK_MS = 5_000
/** A Job without a Pod, or a Pod without a container, for so long has trouble that only its events tell. */
const SLOW_MS = 10_000
/** How long the rest of a live log is waited for where a Pod could not store it. */
const LAST_LINES_MS = 2_000

/** @throws {PlatformError} `CLUSTER_REFUSED` for a store that Pods cannot reach. */
export function createKubernetesJobRunner(options: KubernetesJobOptions): KubernetesJobRunner {
  const { objects } = options
  if (!objects.presign)
    throw new PlatformError(
      'CLUSTER_REFUSED',
      `Pods cannot reach the store ${objects.uri}; set GYRE_STORE to s3://bucket/prefix`,
      { uri: objects.uri },
    )
  return new KubernetesJobs(options, objects.presign.bind(objects))
}

/** What the cluster says of a generation. */
interface View {
  readonly job: JobObject | null
  readonly pods: readonly PodObject[]
}

interface Watches {
  readonly jobs: ObjectWatch<JobObject>
  readonly pods: ObjectWatch<PodObject>
}

class KubernetesJobs implements KubernetesJobRunner {
  readonly outlivesOwner = true
  readonly #options: KubernetesJobOptions
  readonly #presign: NonNullable<ObjectStore['presign']>
  readonly #cluster: JobApi
  readonly #records: JobRecords
  #watches: Watches | null = null

  constructor(options: KubernetesJobOptions, presign: NonNullable<ObjectStore['presign']>) {
    this.#options = options
    this.#presign = presign
    this.#cluster = new JobApi(options.api, options.log)
    this.#records = new JobRecords(options.objects)
  }

  async start(spec: JobSpec): Promise<void> {
    checkJobName(spec.name)
    checkFileNames(spec)
    await this.#checkInputs(spec)
    const job = await this.#generationFor(spec)
    if (job) await this.#carryOut(job, spec)
  }

  async wait(name: string, options: WaitOptions): Promise<JobOutcome> {
    const { onLine = ignore, onErrorLine = ignore, onWaiting = ignore, signal } = options
    const job = await this.#find(name)
    if (!job) throw jobNotFound(name)
    const feed = new LineFeed({ out: onLine, err: onErrorLine })
    const stored = () => readStoredLogs(this.#options.objects, this.#records.key(job, 'log/'))
    const live = new LiveLog({ api: this.#options.api, container: CONTAINER, feed, stored })
    const tellWaiting = onChange(onWaiting)
    const wakeup = new Wakeup()
    let hadPod = false
    const unsubscribe = this.#subscribe(job, wakeup)
    try {
      for (;;) {
        signal?.throwIfAborted()
        const found = await this.#records.outcome(job)
        const view = found ? null : await this.#view(job)
        const record = found ?? (await this.#conclude(job, { ...view!, hadPod }, tellWaiting))
        if (record) {
          if (record.outcome.kind === 'interrupted') await live.end(LAST_LINES_MS)
          await live.stop()
          feed.stored(await stored())
          return record.outcome
        }
        hadPod ||= view!.pods.length > 0
        await live.follow(newest(view!.pods))
        await wakeup.next(LOOK_MS, signal)
      }
    } finally {
      unsubscribe()
      await live.stop()
    }
  }

  async cancel(name: string): Promise<void> {
    const job = await this.#find(name)
    if (job) await this.#cancel(job)
  }

  async logTail(name: string, lines: number): Promise<readonly string[]> {
    const job = await this.#find(name)
    if (!job || lines <= 0) return []
    const logs = await readStoredLogs(this.#options.objects, this.#records.key(job, 'log/'))
    const all = logs.flatMap((log) => log.lines)
    const of = (wanted: 'out' | 'err') => all.filter(({ stream }) => stream === wanted).map(({ text }) => text)
    return [...of('out'), ...of('err')].slice(-lines)
  }

  async remove(name: string, { keepCheckpoint = false } = {}): Promise<void> {
    const job = await this.#find(name)
    if (job) await this.#forget(job)
    if (!keepCheckpoint) await this.#records.store.delete(this.#records.checkpointKey(name))
  }

  async #forget(job: Generation): Promise<void> {
    await this.#cancel(job)
    const hasEnded = (await this.#records.outcome(job))?.outcome.kind !== 'interrupted'
    await this.#cluster.deleteJob(objectName(job), job.graceMs, { wait: !hasEnded })
    await this.#records.clearOutputs(job)
    await this.#records.mark(job, 'removed')
  }

  stop(): void {
    this.#watches?.jobs.stop()
    this.#watches?.pods.stop()
    this.#watches = null
  }

  async #checkInputs({ name, inputs = {} }: JobSpec): Promise<void> {
    const { objects } = this.#options
    for (const [file, sha256] of Object.entries(inputs)) {
      const key = blobKey(sha256)
      if (await objects.head(key)) continue
      throw new PlatformError('OBJECT_NOT_FOUND', `${objects.uri} has no object ${key}, input ${file} of job ${name}`, {
        uri: objects.uri,
        key,
      })
    }
  }

  /** The generation that a specification is to run in; null where it has run, or was decided against. */
  async #generationFor(spec: JobSpec): Promise<Generation | null> {
    const specSha256 = digestJson(spec)
    const former = await this.#records.latest(spec.name)
    const isForgotten = former !== null && (await this.#records.is(former, 'removed'))
    if (former && !isForgotten) {
      if (former.specSha256 !== specSha256) throw jobConflict(spec.name)
      const record = await this.#records.outcome(former)
      if (!record) return (await this.#records.is(former, 'cancelled')) ? null : former
      if (record.outcome.kind !== 'interrupted') return null
    }
    if (former) await this.#delete(former) // K2
    const next = isForgotten ? firstOf(spec, specSha256, former) : await this.#following(spec, specSha256, former)
    return (await this.#records.create(next)) ? next : this.#generationFor(spec)
  }

  async #following(spec: JobSpec, specSha256: string, former: Generation | null): Promise<Generation> {
    const first = firstOf(spec, specSha256, former)
    if (!former) return first
    const isTooSmall = (await this.#records.outcome(former))?.enlarge === true && former.memory !== null
    return {
      ...first,
      memory: isTooSmall ? enlarged(former.memory) : former.memory,
      enlargements: former.enlargements + (isTooSmall ? 1 : 0),
    }
  }

  /** Makes the Job and its Secret, or adopts them (K1). */
  async #carryOut(job: Generation, spec: JobSpec): Promise<void> {
    if (await this.#records.end(job)) return
    const { specSha256, memory, number: generation } = job
    const manifest = jobManifest({ spec, generation, specSha256, memory, settings: this.#options })
    // Addresses first: a Pod that waits for its Secret loses seconds.
    const plan = await this.#planFor(job, spec)
    const made = await this.#cluster.createJob(manifest)
    await this.#cluster.createSecret(planSecret(made, spec, plan), made.isNew)
    if ((await this.#records.is(job, 'cancelled')) || (await this.#records.outcome(job))) await this.#delete(job)
  }

  async #planFor(job: Generation, spec: JobSpec): Promise<SupervisorPlan> {
    const endpoint = this.#options.podEnv.AWS_ENDPOINT_URL_S3
    const sign = (method: 'GET' | 'PUT', key: string, createOnly = false) =>
      this.#presign({ method, key, createOnly, expiresSeconds: WEEK_SECONDS, ...(endpoint ? { endpoint } : {}) })
    const key = (file: string) => this.#records.key(job, file)
    const inputs = Object.entries(spec.inputs ?? {}).map(async ([name, sha256]) => ({
      name,
      sha256,
      url: await sign('GET', blobKey(sha256)),
    }))
    const outputs = (spec.outputs ?? []).map(async (name) => ({ name, url: await sign('PUT', key(`out/${name}`)) }))
    const log = Array.from({ length: LOG_SLOTS }, (_, slot) =>
      sign('PUT', key(`log/${String(slot).padStart(3, '0')}.jsonl.gz`), true),
    )
    return {
      inputs: await Promise.all(inputs),
      outputs: await Promise.all(outputs),
      log: await Promise.all(log),
      end: await sign('PUT', key('end.json'), true),
      ended: await sign('GET', key('end.json')),
      ...WORK_FOLDERS,
      graceSeconds: spec.graceMs / 1_000,
      ...(spec.checkpoint === undefined
        ? {}
        : { checkpoint: await this.#checkpointFor(spec.name, spec.checkpoint, sign) }),
    }
  }

  async #checkpointFor(job: string, name: string, sign: (method: 'GET' | 'PUT', key: string) => Promise<string>) {
    const key = this.#records.checkpointKey(job)
    return { dir: CHECKPOINT_FOLDER, name, get: await sign('GET', key), put: await sign('PUT', key) }
  }

  /** The generation that counts: the last one, unless it was forgotten. */
  async #find(name: string): Promise<Generation | null> {
    checkJobName(name)
    const job = await this.#records.latest(name)
    return job && !(await this.#records.is(job, 'removed')) ? job : null
  }

  async #cancel(job: Generation): Promise<void> {
    if (await this.#records.outcome(job)) return
    if (await this.#conclude(job, { ...(await this.#view(job)), hadPod: false }, ignore)) return // It had ended by itself.
    await this.#records.mark(job, 'cancelled')
    await this.#delete(job)
    await this.#records.conclude(job, { outcome: { kind: 'cancelled' } })
  }

  /** Says what it waits for, or how it ended (K3). */
  async #conclude(
    job: Generation,
    view: View & { readonly hadPod: boolean },
    tellWaiting: (sentence: string | null) => void,
  ): Promise<OutcomeRecord | null> {
    const end = mayHaveEnded(view.job, view.pods) ? await this.#records.end(job) : null
    // The two watches do not keep step: how the Pod ended may come after the Job.
    const pods = isOver(view.job) && !end ? await this.#cluster.podsOf(objectName(job)) : view.pods
    const verdict = classify({ ...job, ...view, pods, end, nowMs: Date.now() })
    if (verdict.kind === 'open') {
      tellWaiting(verdict.waiting ?? (await this.#clusterTrouble(job, view)))
      return null
    }
    if (await this.#records.is(job, 'cancelled')) return this.#records.conclude(job, { outcome: { kind: 'cancelled' } })
    const { outcome, enlarge } = verdict
    if ('outputs' in outcome) await this.#records.keepOutputs(job, outcome.outputs)
    const record = await this.#records.conclude(job, { outcome, ...(enlarge ? { enlarge } : {}) })
    if (!end && !isOver(view.job)) await this.#delete(job) // Nothing can come of it.
    return record
  }

  async #clusterTrouble(job: Generation, { job: object, pods }: View): Promise<string | null> {
    const trouble = this.#watches?.jobs.trouble ?? this.#watches?.pods.trouble
    if (trouble) return `the cluster does not answer: ${trouble}`
    const pod = newest(pods)
    if (pod && pod.status?.phase !== 'Pending') return null
    const { name, creationTimestamp = '' } = (pod ?? object)?.metadata ?? { name: objectName(job) }
    const isSlow = Date.now() - Date.parse(creationTimestamp) > SLOW_MS
    return isSlow ? this.#cluster.troubleOf(pod ? 'Pod' : 'Job', name) : null
  }

  #delete(job: Generation): Promise<void> {
    return this.#cluster.deleteJob(objectName(job), job.graceMs)
  }

  async #view(job: Generation): Promise<View> {
    const { jobs, pods } = this.#watching()
    await Promise.race([Promise.all([jobs.synced, pods.synced]), delay(LOOK_MS, undefined, { ref: false })])
    const name = objectName(job)
    return {
      // What was made a moment ago, or before a watch broke, may not have come yet.
      job: jobs.get(name) ?? (await this.#cluster.job(name)),
      pods: pods.values().filter((pod) => isOf(job, pod)),
    }
  }

  #subscribe(job: Generation, wakeup: Wakeup): () => void {
    const { jobs, pods } = this.#watching()
    const wake = ({ object }: { object: JobObject | PodObject }) => isOf(job, object) && wakeup.wake()
    const ends = [jobs.changed(wake), pods.changed(wake)]
    return () => ends.forEach((end) => end())
  }

  /** One of each, for all jobs of this process. */
  #watching(): Watches {
    const { api, log } = this.#options
    const labelSelector = `${LABELS.managedBy}=${MANAGED_BY},${LABELS.component}=job`
    return (this.#watches ??= {
      jobs: watchObjects<JobObject>({ api, path: this.#cluster.path('jobs'), labelSelector, keep: keepOfJob, log }),
      pods: watchObjects<PodObject>({ api, path: this.#cluster.path('pods'), labelSelector, keep: keepOfPod, log }),
    })
  }
}

function firstOf(spec: JobSpec, specSha256: string, former: Generation | null): Generation {
  const { name, outputs = [], timeoutMs, graceMs, resources } = spec
  return {
    name,
    number: (former?.number ?? 0) + 1,
    specSha256,
    outputs,
    timeoutMs,
    graceMs,
    memory: resources?.memory ?? null,
    enlargements: 0,
  }
}

const objectName = ({ name, number }: Generation): string => jobObjectName(name, number)

function isOf({ name, number }: Generation, { metadata }: JobObject | PodObject): boolean {
  return metadata.labels?.[LABELS.job] === name && metadata.labels[LABELS.generation] === String(number)
}

const ignore = (): void => undefined

/** Tells only what differs from what was told last; nothing was waited for before. */
function onChange(tell: (sentence: string | null) => void): (sentence: string | null) => void {
  let last: string | null = null
  return (sentence) => {
    if (sentence === last) return
    last = sentence
    tell(sentence)
  }
}
