/** What the API reads from its environment, once, at start. */

import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'

const optional = z
  .string()
  .optional()
  .transform((value) => value || null)

const schema = z.object({
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  GYRE_PROJECT_DIR: optional,
  GYRE_STATE: optional,
  GYRE_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /** Loopback unless somebody decides otherwise. */
  GYRE_LISTEN: z.string().default('127.0.0.1'),
  /** Host names, comma-separated, under which people reach this server beside the loopback ones. */
  GYRE_HOSTS: z.string().default(''),
  GYRE_TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  GYRE_NAMESPACE: z.string().default('default'),
  GYRE_TEMPORAL_UI: optional,
  GYRE_GATEWAY_URL: optional,
  GYRE_HEARTBEAT_MS: z.coerce.number().int().positive().default(5_000),
})

export interface ApiConfig {
  readonly store: { readonly uri: string; readonly project: string }
  readonly projectDir: string
  readonly bundleDir: string
  readonly uploadsDir: string
  /** The file with the local owner's token; null where people log in by name only. */
  readonly ownerTokenFile: string | null
  readonly webDir: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly hosts: readonly string[]
  readonly temporal: { readonly address: string; readonly namespace: string; readonly uiUrl: string | null }
  readonly gatewayUrl: string | null
  readonly heartbeatMs: number
}

/** @throws {PlatformError} `INVALID_INPUT` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): ApiConfig {
  const parsed = schema.safeParse(env)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new PlatformError('INVALID_INPUT', `${issue?.path.join('.')}: ${issue?.message}`)
  }
  const values = parsed.data
  const state = values.GYRE_STATE ?? path.join(os.tmpdir(), 'gyre')
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    projectDir: values.GYRE_PROJECT_DIR ?? installationRoot(),
    bundleDir: path.join(state, 'bundles'),
    uploadsDir: path.join(state, 'uploads'),
    ownerTokenFile: values.GYRE_STATE && path.join(values.GYRE_STATE, 'owner-token'),
    webDir: path.join(installationRoot(), 'dist/web'),
    listen: { host: values.GYRE_LISTEN, port: values.GYRE_PORT },
    hosts: values.GYRE_HOSTS.split(',').filter(Boolean),
    temporal: {
      address: values.GYRE_TEMPORAL_ADDRESS,
      namespace: values.GYRE_NAMESPACE,
      uiUrl: values.GYRE_TEMPORAL_UI,
    },
    gatewayUrl: values.GYRE_GATEWAY_URL,
    heartbeatMs: values.GYRE_HEARTBEAT_MS,
  }
}
