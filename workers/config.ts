/** What a worker reads from its environment, once, at start. */

import os from 'node:os'
import path from 'node:path'
import type { WorkerDeploymentOptions } from '@temporalio/worker'
import { z } from 'zod'
import type { ClusterOptions } from '#adapter/compute/kubernetes/index'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { readNotifySettings, type NotifySettings } from '#core/notify'
import { readSettings } from '#core/settings'
import type { TrainerSettings } from './trainer.ts'
import { heartbeats, temporalSettings, type TemporalSettings } from '../infra/temporal/index.ts'

const schema = z.object({
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  GYRE_STATE: z.string().optional(),
  /** Whose `pipelines/` triggers start; the installation's where left out. */
  GYRE_PROJECT_DIR: z.string().optional(),
  GYRE_GATEWAY_URL: z.string().default('http://127.0.0.1:8100'),
  GYRE_COMPUTE: z.enum(['process', 'kubernetes']).default('process'),
  GYRE_SERVICES: z.enum(['process', 'kubernetes']).default('process'),
  KUBECONFIG: z.string().optional(),
  GYRE_KUBE_CONTEXT: z.string().optional(),
  GYRE_KUBE_NAMESPACE: z.string().default('gyre'),
  /** The Secret whose keys become the environment of Pods that read the store. */
  GYRE_KUBE_STORE_SECRET: z.string().default('gyre-store'),
  /** Kueue's LocalQueue, where there is one. */
  GYRE_KUBE_QUEUE: z.string().optional(),
  GYRE_IMAGE_WORKER: z.string().default(''),
  GYRE_IMAGE_INFERENCE: z.string().default(''),
  /** With Python, torch and the programs of `apps/trainer`. */
  GYRE_IMAGE_TRAINER: z.string().default(''),
  /** A Python of this machine that has torch; found where left out. */
  GYRE_TRAINER_PYTHON: z.string().default(''),
  /** The address of endpoints for their clients, where it is not that of the gateway's Service. */
  GYRE_ENDPOINT_URL: z.string().optional(),
  /** The S3 server's address as Pods reach it. */
  GYRE_STORE_POD_ENDPOINT: z.string().optional(),
  AWS_REGION: z.string().optional(),
  /** One machine serves all classes; on a cluster each worker names its own. */
  GYRE_QUEUES: z
    .string()
    .default('pipeline,cpu,gpu')
    .transform((names) => names.split(','))
    .pipe(z.array(z.enum(['pipeline', 'cpu', 'gpu']))),
  /** Where probes ask; left out, nobody can. */
  GYRE_HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  GYRE_HOST: z.string().default('127.0.0.1'),
  /** Ed25519, PEM: certificates are signed with it. On one machine the state folder has one. */
  GYRE_SIGNING_KEY: z.string().optional(),
  /** An address of this process that the API reaches: on a cluster, the Pod's. */
  GYRE_SESSION_HOST: z.string().default('127.0.0.1'),
  GYRE_HEARTBEAT_THROTTLE_MS: z.coerce.number().int().positive().optional(),
  /** How long steps may go on after the end was asked for, before they are left to the next worker. */
  GYRE_SHUTDOWN_GRACE_MS: z.coerce.number().int().nonnegative().default(10_000),
  /** Both or none: Temporal then hands work to the version of the workers that is current in their deployment. */
  GYRE_DEPLOYMENT_NAME: z.string().optional(),
  GYRE_BUILD_ID: z.string().optional(),
})

export interface WorkerConfig {
  readonly store: { readonly uri: string; readonly project: string }
  /** A folder of this process alone, for work in progress. */
  readonly scratchDir: string
  readonly bundleDir: string
  readonly projectDir: string
  readonly notify: NotifySettings
  readonly jobsDir: string
  readonly temporal: TemporalSettings
  readonly gatewayUrl: string
  readonly compute: 'process' | 'kubernetes'
  readonly services: 'process' | 'kubernetes'
  /** Used where one of the two above says so. */
  readonly cluster: ClusterOptions
  readonly trainer: TrainerSettings
  readonly endpointUrl: string | null
  readonly queues: readonly ('pipeline' | 'cpu' | 'gpu')[]
  /** Null: no probes are answered. */
  readonly health: { readonly host: string; readonly port: number } | null
  readonly sessionHost: string
  readonly signingKey: { readonly value: string | null; readonly file: string | null }
  readonly heartbeatThrottleMs: number
  readonly shutdownGraceMs: number
  /** What Temporal is told of this worker's version; null where versions are not told apart. */
  readonly deployment: WorkerDeploymentOptions | null
}

/** @throws {PlatformError} `INVALID_INPUT` with the first setting that is wrong. */
export function readConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const values = readSettings(schema, env)
  const state = values.GYRE_STATE ?? path.join(os.tmpdir(), 'gyre')
  const temporal = temporalSettings(env)
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    scratchDir: path.join(state, 'scratch', String(process.pid)),
    bundleDir: path.join(state, 'bundles'),
    projectDir: values.GYRE_PROJECT_DIR || installationRoot(),
    notify: readNotifySettings(env),
    jobsDir: path.join(state, 'jobs'),
    temporal,
    gatewayUrl: values.GYRE_GATEWAY_URL,
    compute: values.GYRE_COMPUTE,
    services: values.GYRE_SERVICES,
    trainer: {
      image: values.GYRE_IMAGE_TRAINER,
      python: values.GYRE_TRAINER_PYTHON,
      venv: path.join(state, 'trainer'),
    },
    endpointUrl: values.GYRE_ENDPOINT_URL ?? null,
    cluster: {
      ...(values.KUBECONFIG && { kubeconfig: values.KUBECONFIG }),
      ...(values.GYRE_KUBE_CONTEXT && { context: values.GYRE_KUBE_CONTEXT }),
      namespace: values.GYRE_KUBE_NAMESPACE,
      images: { worker: values.GYRE_IMAGE_WORKER, inference: values.GYRE_IMAGE_INFERENCE },
      storeSecret: values.GYRE_KUBE_STORE_SECRET,
      queueName: values.GYRE_KUBE_QUEUE ?? null,
      store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
      storeEndpoint: values.GYRE_STORE_POD_ENDPOINT ?? null,
      region: values.AWS_REGION ?? null,
    },
    queues: values.GYRE_QUEUES,
    health: values.GYRE_HEALTH_PORT === undefined ? null : { host: values.GYRE_HOST, port: values.GYRE_HEALTH_PORT },
    sessionHost: values.GYRE_SESSION_HOST,
    signingKey: {
      value: values.GYRE_SIGNING_KEY || null,
      file: values.GYRE_STATE && values.GYRE_COMPUTE === 'process' ? path.join(values.GYRE_STATE, 'signing-key') : null,
    },
    heartbeatThrottleMs: values.GYRE_HEARTBEAT_THROTTLE_MS ?? heartbeats(temporal).throttleMs,
    shutdownGraceMs: values.GYRE_SHUTDOWN_GRACE_MS,
    deployment: deploymentOf(values),
  }
}

/**
 * A run may wait for people for weeks, so it moves to the current version instead of keeping workers of its own alive: the
 * interpreter guards its changes with `patched`, and recorded histories replay on each version.
 */
function deploymentOf({
  GYRE_DEPLOYMENT_NAME: deploymentName = '',
  GYRE_BUILD_ID: buildId = '',
}: z.output<typeof schema>): WorkerDeploymentOptions | null {
  if (!deploymentName && !buildId) return null
  if (!deploymentName || !buildId)
    throw new PlatformError(
      'INVALID_INPUT',
      'settings GYRE_DEPLOYMENT_NAME and GYRE_BUILD_ID belong together, and one of them is missing; set both or none',
    )
  return {
    version: { deploymentName, buildId },
    useWorkerVersioning: true,
    defaultVersioningBehavior: 'AUTO_UPGRADE',
  }
}
