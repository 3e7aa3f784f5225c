/** All settings of the front door. */

import { z } from 'zod'
import { readSettings } from '#core/settings'

const environment = z.object({
  GYRE_STORE: z.string().min(1),
  GYRE_PROJECT: z.string().default('default'),
  /** The address that people reach. */
  GYRE_FRONT_HOST: z.string().min(1),
  GYRE_FRONT_PORT: z.coerce.number().int().min(0).max(65_535),
  /** Where people believe to be: `https://gyre.example`. */
  GYRE_PAGE_URL: z.url(),
  /** PEM files; without them it speaks plain HTTP, which only a proxy on this machine may hear. */
  GYRE_TLS_CERT: z.string().optional(),
  GYRE_TLS_KEY: z.string().optional(),
  /** `1`: a proxy on this machine says in X-Forwarded-For and X-Forwarded-Host who called whom. */
  GYRE_BEHIND_PROXY: z.enum(['', '1']).default(''),
  GYRE_API_URL: z.url(),
  /** Empty where endpoints run in a cluster, behind a gateway there. */
  GYRE_GATEWAY_URL: z.union([z.literal(''), z.url()]).default(''),
})

export interface FrontConfig {
  readonly store: { readonly uri: string; readonly project: string }
  readonly host: string
  readonly port: number
  readonly scheme: 'http' | 'https'
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  readonly behindProxy: boolean
  readonly apiUrl: URL
  readonly gatewayUrl: URL | null
}

/** @throws {PlatformError} `INVALID_INPUT` naming the variable. */
export function readConfig(env: NodeJS.ProcessEnv): FrontConfig {
  const values = readSettings(environment, env)
  const { GYRE_TLS_CERT: certFile, GYRE_TLS_KEY: keyFile } = values
  return {
    store: { uri: values.GYRE_STORE, project: values.GYRE_PROJECT },
    host: values.GYRE_FRONT_HOST,
    port: values.GYRE_FRONT_PORT,
    scheme: new URL(values.GYRE_PAGE_URL).protocol === 'https:' ? 'https' : 'http',
    tls: certFile && keyFile ? { certFile, keyFile } : null,
    behindProxy: values.GYRE_BEHIND_PROXY === '1',
    apiUrl: new URL(values.GYRE_API_URL),
    gatewayUrl: values.GYRE_GATEWAY_URL ? new URL(values.GYRE_GATEWAY_URL) : null,
  }
}
