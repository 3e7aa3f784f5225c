/** All settings of the gateway. */

import os from 'node:os'
import { z } from 'zod'
import { readSettings } from '#core/settings'

const environment = z.object({
  /** The object store: a path, `file:///…` or `s3://bucket/prefix`. */
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  /** Who runs the replicas: we, as processes, or Kubernetes. */
  GYRE_SERVICES: z.enum(['process', 'kubernetes']).default('process'),
  /** Where the Service of a revision answers. */
  GYRE_BACKEND_URL: z.string().default('http://{endpoint}-r{revision}:8080'),
  GYRE_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  GYRE_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** The address that clients use, where a proxy stands in front; its own address otherwise. */
  GYRE_PUBLIC_URL: z.string().optional(),
  /** How often the store is asked for changes when nobody nudges. */
  GYRE_POLL_MS: z.coerce.number().int().positive().optional(),
  /** How long a revision without traffic stays warm, so that moving back is instant. */
  GYRE_WARM_MS: z.coerce.number().int().nonnegative().default(600_000),
  /** Model threads in each replica. */
  GYRE_MODEL_THREADS: z.coerce.number().int().positive().optional(),
  /** After SIGTERM: how long no request must have come before the port closes. */
  GYRE_DRAIN_QUIET_MS: z.coerce.number().int().nonnegative().default(200),
})

export interface GatewayConfig {
  readonly store: { readonly uri: string; readonly project: string }
  /** Where the Service of a revision answers, with `{endpoint}` and `{revision}`; null: replicas are processes of ours. */
  readonly backendUrl: string | null
  readonly host: string
  readonly port: number
  readonly publicUrl: string | null
  readonly pollMs: number
  readonly warmMs: number
  readonly modelThreads: number
  readonly drainQuietMs: number
}

const FOLDER_POLL_MS = 300
/** A listing costs money there. */
const S3_POLL_MS = 3_000
/** Two replicas are usual; more threads than cores only wait for each other. */
const USUAL_REPLICAS = 2

/** @throws {PlatformError} `INVALID_INPUT` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): GatewayConfig {
  const values = readSettings(environment, env)
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    backendUrl: values.GYRE_SERVICES === 'kubernetes' ? values.GYRE_BACKEND_URL : null,
    host: values.GYRE_HOST,
    port: values.GYRE_PORT,
    publicUrl: values.GYRE_PUBLIC_URL ?? null,
    pollMs: values.GYRE_POLL_MS ?? (values.GYRE_STORE.startsWith('s3:') ? S3_POLL_MS : FOLDER_POLL_MS),
    warmMs: values.GYRE_WARM_MS,
    modelThreads: values.GYRE_MODEL_THREADS ?? Math.max(1, Math.floor(os.availableParallelism() / USUAL_REPLICAS)),
    drainQuietMs: values.GYRE_DRAIN_QUIET_MS,
  }
}
