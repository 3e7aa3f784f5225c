/**
 * What the state of a Job and its Pods means: goes on (and what it waits for), or over (and how). Pure, so that every row
 * of the table is a test.
 *
 * The supervisor's `end.json` is the truth about the command. Only where it is missing do conditions, exit codes and the
 * reasons of the kubelet speak, and none of them can make a success.
 */

import type { JobOutcome, JobOutputs } from '../jobs.ts'
import { outcomeOf, outcomeOfTimeout } from '../outcomes.ts'
import { REPLACED } from './job-manifest.ts'
import { conditionOf, containersOf, terminationOf, type JobObject, type PodObject } from './job-objects.ts'

/** What the supervisor wrote last, as infra/supervisor has it. */
export interface JobEnd {
  readonly exitCode: number | null
  /** `KILL`, without SIG. */
  readonly signal: string | null
  /** A process of the container was killed for memory. */
  readonly oom: boolean
  readonly lastWords: string
  readonly outputs: JobOutputs
}

export interface Evidence {
  /** null when it is gone. */
  readonly job: JobObject | null
  /** In any order. */
  readonly pods: readonly PodObject[]
  /** Whether one was seen before. */
  readonly hadPod: boolean
  /** Looked for when `mayHaveEnded`. */
  readonly end: JobEnd | null
  readonly timeoutMs: number
  /** The memory limit, or null without one. */
  readonly memory: string | null
  /** How often this job ran out of memory before. */
  readonly enlargements: number
  readonly nowMs: number
}

export type Verdict =
  | { readonly kind: 'open'; readonly waiting: string | null }
  /** `enlarge`: the next generation gets more memory. */
  | { readonly kind: 'over'; readonly outcome: JobOutcome; readonly enlarge?: boolean }

/** How long a kubelet may try what looks hopeless: registries and Secrets come late. */
const GRACE_MS = 180_000
/** Generations with more memory after the first. */
const MOST_ENLARGEMENTS = 3
const ENLARGEMENT = 1.5

/** Whether the Job can change no more. */
export function isOver(job: JobObject | null): boolean {
  return job === null || conditionOf(job, 'Complete') !== undefined || conditionOf(job, 'Failed') !== undefined
}

/** Whether `end.json` may be there: a Job controller takes seconds to notice. Of a Pod that is deleted the Job must tell why. */
export function mayHaveEnded(job: JobObject | null, pods: readonly PodObject[]): boolean {
  const pod = newest(pods)
  return isOver(job) || (pod !== null && !pod.metadata.deletionTimestamp && terminationOf(pod) !== null)
}

export function classify(evidence: Evidence): Verdict {
  const { job, pods, end } = evidence
  if (end) return byEnd(end, evidence)
  if (!isOver(job)) {
    const pod = newest(pods)
    const hopeless = pod && hopelessness(pod, evidence.nowMs)
    return hopeless ? over(failed(hopeless)) : { kind: 'open', waiting: waitingFor(job!, pod, evidence.hadPod) }
  }
  return withoutEnd(evidence)
}

function byEnd(end: JobEnd, evidence: Evidence): Verdict {
  const isSuccess = end.exitCode === 0
  if (!isSuccess && isTimeout(evidence.job)) return over(outcomeOfTimeout(evidence.timeoutMs, end.outputs))
  if (!isSuccess && end.oom) return outOfMemory(evidence)
  const signal = end.signal === null ? null : `SIG${end.signal}`
  return over(outcomeOf({ code: end.exitCode, signal, lastWords: end.lastWords, outputs: end.outputs }))
}

/** The first row that fits counts: an eviction and a lack of memory both end with 137. */
function withoutEnd(evidence: Evidence): Verdict {
  const { job, pods, timeoutMs } = evidence
  if (isTimeout(job)) return over(outcomeOfTimeout(timeoutMs, {}))
  if (job === null) return over(interrupted('its Job was deleted by somebody else'))
  if (conditionOf(job, 'Complete'))
    return over(failed('the cluster says that it succeeded, but it left no record of its end; so it does not count'))
  const pod = newest(pods)
  const condition = conditionOf(job, 'Failed')
  if (!pod) return over(byExitCode(exitCodeIn(condition?.message), '', condition?.message ?? ''))
  const disruption = conditionOf(pod, 'DisruptionTarget')
  if (disruption)
    return over(interrupted(`its Pod was ended by the cluster: ${disruption.message ?? disruption.reason}`))
  if (containersOf(pod).some(({ state }) => state?.terminated?.reason === 'OOMKilled')) return outOfMemory(evidence)
  const termination = terminationOf(pod)
  if (!termination) return over(interrupted(sentenceOf(pod.status?.reason, pod.status?.message) ?? wordsOf(condition)))
  return over(byExitCode(termination.exitCode, lastWordsOf(termination.message), wordsOf(condition)))
}

/** The command's exit code where the supervisor wrote no end: 75, 76, a signal, or the supervisor's own trouble. */
function byExitCode(code: number | null, lastWords: string, words: string): JobOutcome {
  if (code === null) return interrupted(words)
  if (code > 128 && code < 160) return { kind: 'interrupted', exitCode: code, message: `ended by signal ${code - 128}` }
  if (code === 0) return interrupted(words)
  return outcomeOf({ code, signal: null, lastWords, outputs: {} })
}

function outOfMemory({ memory, enlargements }: Evidence): Verdict {
  if (memory === null)
    return over(interrupted('ran out of the memory of its node; name what it needs in resources.memory'))
  if (enlargements >= MOST_ENLARGEMENTS)
    return over(
      failed(
        `ran out of memory at its limit of ${memory}, after ${enlargements} enlargements; give it more from the start`,
      ),
    )
  const next = enlarged(memory)
  const message = `ran out of memory at its limit of ${memory}; the next attempt gets ${next}`
  return { kind: 'over', outcome: { kind: 'interrupted', exitCode: 137, message }, enlarge: true }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
}

/** Half as much memory again, in whole MiB: `1Gi` → `1536Mi`. A quantity that is not understood stays. */
export function enlarged(memory: string): string {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kMGT]i?|Ki)?$/.exec(memory) ?? []
  if (number === undefined || UNITS[unit] === undefined) return memory
  return `${Math.ceil((Number(number) * UNITS[unit] * ENLARGEMENT) / 1024 ** 2)}Mi`
}

/** Why nothing can come of a Pod, or null. Init containers fetch the same way. */
function hopelessness(pod: PodObject, nowMs: number): string | null {
  const sinceMs = pod.status?.startTime ? nowMs - Date.parse(pod.status.startTime) : 0
  for (const { state } of containersOf(pod)) {
    const { reason = '', message = '' } = state?.waiting ?? {}
    if (reason === 'InvalidImageName') return `its image has no valid name: ${message}`
    if (sinceMs < GRACE_MS) continue
    if (isImageTrouble(reason) && isHopelessPull(reason, message))
      return `its image cannot be had: ${pullWords(message)}`
    if (reason === 'CreateContainerConfigError' || reason === 'CreateContainerError' || reason === 'RunContainerError')
      return `its container cannot be made: ${plain(message)}`
  }
  return null
}

function isImageTrouble(reason: string): boolean {
  return reason.startsWith('ErrImage') || reason === 'ImagePullBackOff'
}

/** An image that is not there, may not be had, or whose registry is nowhere. One that is busy or slow comes back. */
function isHopelessPull(reason: string, message: string): boolean {
  if (reason === 'ErrImageNeverPull') return true
  if (/\b429\b|too many requests|toomanyrequests/i.test(message)) return false
  return HOPELESS_PULL.test(message)
}

/** 404, 401 and 403 in the words of the container runtimes; a name that resolves to nothing, a port where nobody listens. */
const HOPELESS_PULL =
  /not ?found|manifest unknown|does not exist|unauthorized|authorization failed|denied|forbidden|\b40[134]\b|no such host|connection refused/i

/** One sentence on what an open Job waits for; null when it runs or is about to. */
function waitingFor(job: JobObject, pod: PodObject | null, hadPod: boolean): string | null {
  if (job.spec?.suspend)
    return conditionOf(job, 'Suspended')?.message ?? 'waits for its turn in the queue of the cluster'
  if (job.metadata.deletionTimestamp) return null // No other Pod comes.
  if (!pod) return hadPod ? 'its Pod is gone; the cluster makes another one' : null
  const disruption = conditionOf(pod, 'DisruptionTarget')
  if (disruption) return `its Pod is being replaced: ${disruption.message ?? disruption.reason}`
  if (pod.metadata.deletionTimestamp) return 'its Pod was deleted; another one takes its place when it has ended'
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return afterEnd(pod)
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False') return scheduled.message || `its Pod has no node yet (${scheduled.reason})`
  for (const { state } of containersOf(pod)) {
    const { reason = '', message = '' } = state?.waiting ?? {}
    if (isImageTrouble(reason)) return `its image is not there yet: ${pullWords(message)}`
    if (reason.endsWith('Error')) return `its container is not made yet: ${plain(message)}`
  }
  return null
}

function afterEnd(pod: PodObject): string | null {
  const termination = terminationOf(pod)
  if (pod.status?.phase === 'Succeeded') return null
  if (!termination)
    return `its Pod could not run: ${sentenceOf(pod.status?.reason, pod.status?.message)}; another one is made`
  const { exitCode, message } = termination
  if (exitCode === 76) return 'stopped with a checkpoint when it was told to; another Pod goes on'
  if (!REPLACED.includes(exitCode)) return null
  const words = lastWordsOf(message)
  return `exit code ${exitCode}${words && `: ${words}`}; another Pod is made`
}

/** By creation, then by name: of two in one second any order is as good. */
export function newest(pods: readonly PodObject[]): PodObject | null {
  const age = ({ metadata }: PodObject) => `${metadata.creationTimestamp ?? ''}/${metadata.name}`
  return pods.reduce<PodObject | null>((found, pod) => (found && age(found) >= age(pod) ? found : pod), null)
}

function isTimeout(job: JobObject | null): boolean {
  const condition = job && (conditionOf(job, 'Failed') ?? conditionOf(job, 'FailureTarget'))
  return condition?.reason === 'DeadlineExceeded'
}

/** `Container job for pod gyre/x failed with exit code 137 matching FailJob rule at index 2` → 137. */
function exitCodeIn(message: string | undefined): number | null {
  const found = /exit code (\d+)/.exec(message ?? '')?.[1]
  return found === undefined ? null : Number(found)
}

/** The termination message is the end of the Pod's log, where lines of standard error are marked. */
function lastWordsOf(message: string | undefined): string {
  const lines = (message ?? '').trimEnd().split('\n')
  const marked = lines.filter((line) => line.startsWith(ERROR_MARK))
  return (marked.at(-1) ?? '').slice(ERROR_MARK.length).trim()
}

/** What the supervisor puts before each line of standard error in the Pod's log. */
export const ERROR_MARK = 'stderr| '

function wordsOf(condition: { readonly reason?: string; readonly message?: string } | undefined): string {
  return sentenceOf(condition?.reason, condition?.message) ?? 'its Pod is gone, and left no record of its end'
}

function sentenceOf(reason: string | undefined, message: string | undefined): string | null {
  if (message) return reason && !message.includes(reason) ? `${plain(message)} (${reason})` : plain(message)
  return reason ?? null
}

/** Between two tries the kubelet says the same with other words before it. */
function pullWords(message: string): string {
  return plain(message).replace(/^Back-off pulling image "[^"]*": ErrImagePull: /, '')
}

/** On one line. */
function plain(message: string): string {
  return message.replaceAll(/\s+/g, ' ').trim()
}

const over = (outcome: JobOutcome): Verdict => ({ kind: 'over', outcome })
const failed = (message: string): JobOutcome => ({ kind: 'failed', exitCode: null, message, outputs: {} })
const interrupted = (message: string): JobOutcome => ({ kind: 'interrupted', exitCode: null, message })
