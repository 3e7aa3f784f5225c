/** What the API reads from its environment, once, at start. */

import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { installationRoot } from '#core/execution'
import { readSettings } from '#core/settings'
import { readNotifySettings, wantedNews, type NewsKind } from '#core/notify'
import { heartbeats, temporalSettings, type TemporalSettings } from '../../infra/temporal/index.ts'

const optional = z
  .string()
  .optional()
  .transform((value) => value || null)

const schema = z.object({
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  GYRE_PROJECT_DIR: optional,
  GYRE_STATE: optional,
  /** Where logins and decisions are told: in a file of the state folder, or among the other lines of the log. */
  GYRE_AUDIT: z.enum(['file', 'log']).default('file'),
  GYRE_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /** Loopback unless somebody decides otherwise. */
  GYRE_LISTEN: z.string().default('127.0.0.1'),
  /** Host names, comma-separated, under which people reach this server beside the loopback ones. */
  GYRE_HOSTS: z.string().default(''),
  GYRE_TEMPORAL_UI: optional,
  GYRE_GATEWAY_URL: optional,
  /** Who runs the replicas of endpoints. */
  GYRE_SERVICES: z.enum(['process', 'kubernetes']).default('process'),
  /** Where people reach this server, `https://gyre.example`: links name it, and host checks know it. */
  GYRE_PAGE_URL: optional,
  /** Addresses or networks, comma-separated, whose X-Forwarded headers are believed; `loopback` is one of them. */
  GYRE_TRUSTED_PROXIES: z.string().default(''),
  /** How long a login in a browser lasts. */
  GYRE_SESSION_MS: z.coerce.number().int().positive().optional(),
  /** What secrets of webhooks are derived from; a file of the state folder where left out. */
  GYRE_HOOK_KEY: z.string().min(16).optional(),
  GYRE_HEARTBEAT_MS: z.coerce.number().int().positive().optional(),
})

export interface ApiConfig {
  readonly store: { readonly uri: string; readonly project: string }
  readonly projectDir: string
  readonly bundleDir: string
  readonly uploadsDir: string
  readonly catalogDir: string
  /** The file with the local owner's token; null where people log in by name only. */
  readonly ownerTokenFile: string | null
  readonly webDir: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly hosts: readonly string[]
  readonly temporal: TemporalSettings & { readonly uiUrl: string | null }
  readonly gatewayUrl: string | null
  readonly servicesOnCluster: boolean
  /** Null where people call the address that it listens on. */
  readonly pageUrl: string | null
  readonly trustedProxies: readonly string[]
  readonly sessionMs: number | null
  /** Where logins and decisions are told; null: among the other logs. */
  readonly auditFile: string | null
  readonly heartbeatMs: number
  /** Kinds of news that workers are set up to send. */
  readonly notify: readonly NewsKind[]
  readonly hookKey: { readonly value: string | null; readonly file: string | null }
}

/** @throws {PlatformError} `INVALID_INPUT` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): ApiConfig {
  const values = readSettings(schema, env)
  const temporal = temporalSettings(env)
  const state = values.GYRE_STATE ?? path.join(os.tmpdir(), 'gyre')
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    projectDir: values.GYRE_PROJECT_DIR ?? installationRoot(),
    bundleDir: path.join(state, 'bundles'),
    uploadsDir: path.join(state, 'uploads'),
    catalogDir: path.join(state, 'catalogs'),
    ownerTokenFile: values.GYRE_STATE && path.join(values.GYRE_STATE, 'owner-token'),
    webDir: path.join(installationRoot(), 'dist/web'),
    listen: { host: values.GYRE_LISTEN, port: values.GYRE_PORT },
    hosts: [...listOf(values.GYRE_HOSTS), ...(values.GYRE_PAGE_URL ? [new URL(values.GYRE_PAGE_URL).hostname] : [])],
    temporal: { ...temporal, uiUrl: values.GYRE_TEMPORAL_UI },
    gatewayUrl: values.GYRE_GATEWAY_URL,
    servicesOnCluster: values.GYRE_SERVICES === 'kubernetes',
    pageUrl: values.GYRE_PAGE_URL && new URL(values.GYRE_PAGE_URL).origin,
    trustedProxies: listOf(values.GYRE_TRUSTED_PROXIES),
    sessionMs: values.GYRE_SESSION_MS ?? null,
    auditFile:
      values.GYRE_AUDIT === 'file' && values.GYRE_STATE ? path.join(values.GYRE_STATE, 'logs', 'audit.log') : null,
    heartbeatMs: values.GYRE_HEARTBEAT_MS ?? heartbeats(temporal).timeoutMs,
    notify: wantedNews(readNotifySettings(env)),
    hookKey: {
      value: values.GYRE_HOOK_KEY ?? null,
      file: values.GYRE_STATE && path.join(values.GYRE_STATE, 'hook-key'),
    },
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
}
