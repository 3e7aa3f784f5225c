/** All settings of one replica. `apps/gateway` sets them for its children; a Deployment sets them for its Pods. */

import { z } from 'zod'
import { readSettings } from '#core/settings'

const environment = z.object({
  /** The object store: a path, `file:///…` or `s3://bucket/prefix`. */
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  GYRE_ENDPOINT: z.string().min(1),
  GYRE_REVISION: z.coerce.number().int().positive(),
  /** Which of the revision's replicas this is, a number or the name of its Pod: captured images are budgeted by it. */
  GYRE_REPLICA: z
    .string()
    .regex(/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/)
    .default('0'),
  GYRE_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  GYRE_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Threads that run the model. */
  GYRE_MODEL_THREADS: z.coerce.number().int().positive().max(64).default(1),
  GYRE_MAX_BATCH: z.coerce.number().int().positive().max(1_024).default(32),
  /** The longest wait that a request without a deadline of its own accepts. */
  GYRE_DEADLINE_MS: z.coerce.number().positive().default(30_000),
  /** After SIGTERM: how long no request must have come before the port closes. A Pod's endpoint removal lags. */
  GYRE_DRAIN_QUIET_MS: z.coerce.number().int().nonnegative().default(1_000),
})

export interface InferenceConfig {
  readonly store: { readonly uri: string; readonly project: string }
  readonly endpoint: string
  readonly revision: number
  readonly replica: string
  readonly host: string
  readonly port: number
  readonly modelThreads: number
  readonly maxBatch: number
  readonly deadlineMs: number
  readonly drainQuietMs: number
}

/** @throws {PlatformError} `INVALID_INPUT` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): InferenceConfig {
  const values = readSettings(environment, env)
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    endpoint: values.GYRE_ENDPOINT,
    revision: values.GYRE_REVISION,
    replica: values.GYRE_REPLICA,
    host: values.GYRE_HOST,
    port: values.GYRE_PORT,
    modelThreads: values.GYRE_MODEL_THREADS,
    maxBatch: values.GYRE_MAX_BATCH,
    deadlineMs: values.GYRE_DEADLINE_MS,
    drainQuietMs: values.GYRE_DRAIN_QUIET_MS,
  }
}
