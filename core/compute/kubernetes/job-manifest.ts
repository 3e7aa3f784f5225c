/**
 * A generation of a job as objects of Kubernetes: the Job, and a Secret with what its supervisor is to do. Pure.
 *
 * The supervisor is copied from the worker image into an emptyDir and wraps the command, so any image will do: without a
 * shell, with any user, on a read-only root file system. Images of others get neither credentials nor the address of the
 * store; Gyre's own, which runs built-in steps, reads data sets from the store itself.
 */

import { LABELS, MANAGED_BY, type ClusterSettings } from './api.ts'
import type { JobResources, JobSpec } from '../jobs.ts'

/** What the supervisor is told: addresses of this one generation's files. As infra/supervisor has it. */
export interface SupervisorPlan {
  readonly inputs: readonly { readonly name: string; readonly url: string; readonly sha256: string }[]
  readonly outputs: readonly { readonly name: string; readonly url: string }[]
  /** Create-only, in order. */
  readonly log: readonly string[]
  /** Where `end.json` is created, and read: an end that an earlier Pod wrote counts. */
  readonly end: string
  readonly ended: string
  /** Outlives the Pod (J5). */
  readonly checkpoint?: { readonly dir: string; readonly name: string; readonly get: string; readonly put: string }
  readonly inputDir: string
  readonly outputDir: string
  readonly graceSeconds: number
}

export interface ManifestOptions {
  readonly spec: JobSpec
  /** Counts from 1. */
  readonly generation: number
  readonly specSha256: string
  /** In place of the specification's, where an earlier generation had too little. */
  readonly memory: string | null
  readonly settings: Pick<ClusterSettings, 'images' | 'storeSecret' | 'podEnv' | 'queueName'>
}

/** The name of the command's container, and of the objects' annotation that says what they were made from. */
export const CONTAINER = 'job'
export const SPEC_ANNOTATION = 'gyre.io/spec-sha256'

/** Exit codes after which another Pod is made, a few times: asked to be tried again, ended by SIGINT, by SIGTERM. */
export const REPLACED: readonly number[] = [75, 130, 143]

export const WORK_FOLDERS = { inputDir: '/gyre-work/in', outputDir: '/gyre-work/out' } as const
export const CHECKPOINT_FOLDER = '/gyre-work/checkpoints'
const SUPERVISOR_FOLDER = '/gyre-bin'
const PLAN_FILE = 'plan.json'

/** Nobody in particular: the same in every image, whatever user it names. */
const NOBODY = 65_532
/** Between the end of the grace time and the end of the Pod: for the log, the outputs and the end. */
const FLUSH_SECONDS = 30
const WEEK_SECONDS = 604_800
const DEFAULT_CPU = '500m'
const DISK_LIMIT = '20Gi'

export function jobObjectName(name: string, generation: number): string {
  return `${name}-g${generation}`
}

export function jobLabels(name: string, generation: number): Readonly<Record<string, string>> {
  return {
    [LABELS.managedBy]: MANAGED_BY,
    [LABELS.component]: 'job',
    [LABELS.job]: name,
    [LABELS.generation]: String(generation),
  }
}

/**
 * The Job. Its rules, first match first: a disruption costs nothing, and so does a command that yielded (76); what asked to
 * be tried again (75), or ended by SIGTERM or SIGINT when its Pod was deleted, counts against `backoffLimit`; anything else
 * ends the Job.
 */
export function jobManifest({ spec, generation, specSha256, memory, settings }: ManifestOptions) {
  const name = jobObjectName(spec.name, generation)
  const labels = jobLabels(spec.name, generation)
  const { queueName } = settings
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { ...labels, ...(queueName === null ? {} : { 'kueue.x-k8s.io/queue-name': queueName }) },
      annotations: { [SPEC_ANNOTATION]: specSha256 },
    },
    spec: {
      ...(queueName === null ? {} : { suspend: true }),
      completions: 1,
      parallelism: 1,
      backoffLimit: 3,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: Math.ceil(spec.timeoutMs / 1_000),
      ttlSecondsAfterFinished: WEEK_SECONDS,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'Ignore', onExitCodes: { containerName: CONTAINER, operator: 'In', values: [76] } },
          { action: 'FailJob', onExitCodes: { containerName: CONTAINER, operator: 'NotIn', values: REPLACED } },
        ],
      },
      template: {
        metadata: { labels },
        spec: podSpec(spec, name, memory, settings),
      },
    },
  }
}

function podSpec(spec: JobSpec, jobName: string, memory: string | null, settings: ManifestOptions['settings']) {
  const isOwnImage = spec.image === undefined
  const secretName = jobName
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: Math.ceil(spec.graceMs / 1_000) + FLUSH_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: NOBODY,
      runAsGroup: NOBODY,
      fsGroup: NOBODY,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(spec.placement?.nodeSelector ? { nodeSelector: spec.placement.nodeSelector } : {}),
    ...tolerationsOf(spec),
    initContainers: [
      {
        name: 'supervisor',
        image: settings.images.worker,
        command: ['/gyre/supervisor', 'install', SUPERVISOR_FOLDER],
        resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
        securityContext: CONFINED,
        volumeMounts: [{ name: 'supervisor', mountPath: SUPERVISOR_FOLDER }],
      },
    ],
    containers: [
      {
        name: CONTAINER,
        image: spec.image ?? settings.images.worker,
        command: [`${SUPERVISOR_FOLDER}/supervisor`, 'run', '--', ...spec.command],
        env: environmentOf(spec, secretName, isOwnImage ? settings.podEnv : {}),
        ...(isOwnImage ? { envFrom: [{ secretRef: { name: settings.storeSecret } }] } : {}),
        resources: resourcesOf(spec.resources ?? {}, memory),
        securityContext: CONFINED,
        terminationMessagePolicy: 'FallbackToLogsOnError',
        volumeMounts: [
          { name: 'supervisor', mountPath: SUPERVISOR_FOLDER, readOnly: true },
          { name: 'plan', mountPath: '/gyre-plan', readOnly: true },
          { name: 'work', mountPath: '/gyre-work' },
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'shm', mountPath: '/dev/shm' },
        ],
      },
    ],
    volumes: [
      { name: 'supervisor', emptyDir: { sizeLimit: '64Mi' } },
      { name: 'plan', secret: { secretName, defaultMode: 0o440, items: [{ key: PLAN_FILE, path: PLAN_FILE }] } },
      { name: 'work', emptyDir: { sizeLimit: DISK_LIMIT } },
      { name: 'tmp', emptyDir: { sizeLimit: DISK_LIMIT } },
      // Of PyTorch's loaders; counts against the memory limit as it fills.
      { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '2Gi' } },
    ],
  }
}

const CONFINED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const

/** Values of the specification may be secrets: they lie in the Secret. */
function environmentOf(spec: JobSpec, secretName: string, own: Readonly<Record<string, string>>) {
  const plain = {
    ...own,
    // The user has no entry in the image's list of users, so no home either.
    HOME: '/tmp',
    GYRE_SCRATCH: '/tmp',
    GYRE_SUPERVISOR_PLAN: `/gyre-plan/${PLAN_FILE}`,
  }
  return [
    ...Object.entries(plain).map(([name, value]) => ({ name, value })),
    ...Object.keys(spec.env).map((name) => ({
      name,
      valueFrom: { secretKeyRef: { name: secretName, key: envKey(name) } },
    })),
  ]
}

const envKey = (name: string): string => `env.${name}`

function resourcesOf({ cpu = DEFAULT_CPU, gpus = 0 }: JobResources, memory: string | null) {
  const requests = { cpu, ...(memory === null ? {} : { memory }) }
  const limits = { ...(memory === null ? {} : { memory }), ...(gpus > 0 ? { 'nvidia.com/gpu': String(gpus) } : {}) }
  return { requests, ...(Object.keys(limits).length > 0 ? { limits } : {}) }
}

/** Nodes with GPUs are often kept free for those who need one. */
function tolerationsOf({ placement, resources }: JobSpec) {
  const forGpus =
    (resources?.gpus ?? 0) > 0 ? [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }] : []
  const tolerations = [...(placement?.tolerations ?? []), ...forGpus]
  return tolerations.length > 0 ? { tolerations } : {}
}

/** The Secret of a Job: gone with it. */
export function planSecret(job: { readonly name: string; readonly uid: string }, spec: JobSpec, plan: SupervisorPlan) {
  const env = Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [envKey(name), value]))
  const stringData: Readonly<Record<string, string>> = { ...env, [PLAN_FILE]: JSON.stringify(plan) }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: job.name,
      labels: { [LABELS.managedBy]: MANAGED_BY, [LABELS.component]: 'job', [LABELS.job]: spec.name },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: job.name, uid: job.uid }],
    },
    immutable: true,
    stringData,
  }
}
