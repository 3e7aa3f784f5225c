/** The few calls that the job runner makes, through whatever befalls the API server for a while. */

import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import { jobConflict } from '../job-errors.ts'
import { KubeError, type KubeApi, type KubeRequest } from './api.ts'
import { Backoff } from './backoff.ts'
import { isOver } from './classify.ts'
import { SPEC_ANNOTATION, type jobManifest, type planSecret } from './job-manifest.ts'
import type { JobObject, PodObject } from './job-objects.ts'

/** How long a call is tried again: a restart of the API server takes less. */
const PATIENCE_MS = 300_000
const BACKOFF_MS = [200, 10_000] as const
const POLL_MS = 200
/** Beyond the Pod's own time to end: for a kubelet that is slow to say so. */
const LATE_MS = 60_000

export class JobApi {
  readonly #never = new AbortController().signal

  constructor(
    readonly api: KubeApi,
    readonly log: Logger,
  ) {}

  path(kind: 'jobs' | 'pods' | 'secrets' | 'events', name?: string): string {
    const root = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'
    return `${root}/namespaces/${this.api.namespace}/${kind}${name === undefined ? '' : `/${name}`}`
  }

  job(name: string): Promise<JobObject | null> {
    return this.#orNull(() => this.#send<JobObject>('GET', this.path('jobs', name)))
  }

  async podsOf(job: string): Promise<readonly PodObject[]> {
    const query = { labelSelector: `batch.kubernetes.io/job-name=${job}` }
    return (await this.#send<{ items: readonly PodObject[] }>('GET', this.path('pods'), { query })).items
  }

  /**
   * Makes the Job, or adopts the one that has its name and was made from the same specification.
   *
   * @throws {PlatformError} `JOB_CONFLICT`.
   */
  async createJob(
    manifest: ReturnType<typeof jobManifest>,
  ): Promise<{ readonly name: string; readonly uid: string; readonly isNew: boolean }> {
    const { name, annotations } = manifest.metadata
    for (;;) {
      const made = await this.#unlessTaken(() => this.#send<JobObject>('POST', this.path('jobs'), { body: manifest }))
      if (made) return { name, uid: made.metadata.uid ?? '', isNew: true }
      const found = await this.job(name)
      if (!found) continue // Gone in between.
      if (found.metadata.annotations?.[SPEC_ANNOTATION] !== annotations[SPEC_ANNOTATION]) throw jobConflict(name)
      return { name, uid: found.metadata.uid ?? '', isNew: false }
    }
  }

  /** @param replace - one of this name belongs to a Job that is no more. */
  async createSecret(secret: ReturnType<typeof planSecret>, replace: boolean): Promise<void> {
    const { name } = secret.metadata
    const create = () => this.#unlessTaken(() => this.#send('POST', this.path('secrets'), { body: secret }))
    if ((await create()) || !replace) return
    await this.#orNull(() => this.#send('DELETE', this.path('secrets', name)))
    await create()
  }

  /**
   * Ends a Job and its Pods. One that may run is deleted in the foreground, and this returns when nothing of it is left; one
   * that is over, or need not be waited for, is left to the garbage collector.
   *
   * @throws {PlatformError} `CLUSTER_UNAVAILABLE` when it has not ended in its grace time and a minute.
   */
  async deleteJob(name: string, graceMs: number, { wait = true } = {}): Promise<void> {
    const giveUpMs = Date.now() + graceMs + LATE_MS
    let told: string | undefined
    for (;;) {
      const found = await this.job(name)
      if (!found) return
      const uid = found.metadata.uid ?? ''
      const isDone = !wait || isOver(found)
      if (told !== uid) await this.#delete(name, uid, isDone ? 'Background' : 'Foreground')
      if (isDone) return
      told = uid
      if (Date.now() > giveUpMs)
        throw new PlatformError('CLUSTER_UNAVAILABLE', `Job ${name} has not ended in time; is its node still there?`, {
          job: name,
        })
      await delay(POLL_MS)
    }
  }

  /** What the Job controller or the kubelet warned of last; null when they say nothing. */
  async troubleOf(kind: 'Job' | 'Pod', name: string): Promise<string | null> {
    const query = { fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name}` }
    const { items } = await this.api
      .request<{ items: readonly EventObject[] }>('GET', this.path('events'), { query })
      .catch(() => ({ items: [] }))
    const warnings = items.filter(({ type }) => type === 'Warning').sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1))
    return warnings.at(-1)?.message ?? null
  }

  async #delete(name: string, uid: string, propagationPolicy: 'Foreground' | 'Background'): Promise<void> {
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy, preconditions: { uid } }
    // 409: another Job has this name by now, and is looked at next.
    await this.#unlessTaken(() => this.#orNull(() => this.#send('DELETE', this.path('jobs', name), { body })))
  }

  /** @throws {PlatformError} for what a person must mend; `CLUSTER_UNAVAILABLE` for what may pass. */
  async #send<T>(method: 'GET' | 'POST' | 'DELETE', path: string, request: KubeRequest = {}): Promise<T> {
    const backoff = new Backoff(...BACKOFF_MS)
    const giveUpMs = Date.now() + PATIENCE_MS
    for (;;) {
      try {
        return await this.api.request<T>(method, path, request)
      } catch (error) {
        if (!(error instanceof KubeError)) throw error
        if (error.status === 404 || error.status === 409) throw error
        if (!mayPass(error) || Date.now() > giveUpMs) throw refusalOf(error, `${method} ${path}`)
        backoff.failures += 1
        this.log.warn({ err: error, method, path }, 'the cluster did not take a request; trying again')
        await backoff.pause(this.#never, (error.retryAfterSeconds ?? 0) * 1_000)
      }
    }
  }

  async #orNull<T>(send: () => Promise<T>): Promise<T | null> {
    return send().catch((error: unknown) => without(404, error))
  }

  async #unlessTaken<T>(send: () => Promise<T>): Promise<T | null> {
    return send().catch((error: unknown) => without(409, error))
  }
}

interface EventObject {
  readonly type?: string
  readonly message?: string
  readonly lastTimestamp?: string
  readonly eventTime?: string
}

function timeOf({ lastTimestamp, eventTime }: EventObject): string {
  return lastTimestamp ?? eventTime ?? ''
}

function without(status: number, error: unknown): null {
  if (error instanceof KubeError && error.status === status) return null
  throw error
}

function mayPass({ status }: KubeError): boolean {
  return status === 0 || status === 429 || status >= 500
}

function refusalOf(error: KubeError, request: string): PlatformError {
  const details = { status: error.status, reason: error.reason, request }
  const because = { cause: error }
  // A full quota empties by itself.
  if (mayPass(error) || error.status === 401 || /exceeded quota/i.test(error.message))
    return new PlatformError(
      'CLUSTER_UNAVAILABLE',
      `the cluster did not take a job: ${error.message}`,
      details,
      because,
    )
  if (error.status === 403)
    return new PlatformError(
      'CLUSTER_REFUSED',
      `${error.message}; ask for that permission, as \`gyre doctor --cluster\` shows`,
      details,
      because,
    )
  return new PlatformError('JOB_FAILED', `the cluster refuses the job: ${error.message}`, details, because)
}
