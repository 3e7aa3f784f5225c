/** What clients and workers are given so that they reach the server and store only what they may: one truth for all of them. */

import path from 'node:path'
import type { Client, TLSConfig } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { entryPoint, installationRoot } from '#core/execution'
import { createCodec } from './codec.ts'
import type { TemporalSettings } from './settings.ts'

export interface ServerOptions {
  readonly address: string
  readonly tls: TLSConfig | false
  readonly apiKey?: string
  readonly metadata?: Record<string, string>
}

/** Fits `Connection.connect` and `NativeConnection.connect` alike. */
export function connectionOptions({ address, namespace, tls, apiKey }: TemporalSettings): ServerOptions {
  return {
    address,
    tls: tls
      ? {
          ...(tls.ca ? { serverRootCACertificate: tls.ca } : {}),
          ...(tls.client ? { clientCertPair: { crt: tls.client.cert, key: tls.client.key } } : {}),
          ...(tls.serverName === null ? {} : { serverNameOverride: tls.serverName }),
        }
      : false,
    // Temporal Cloud's regional endpoints choose the account by this header.
    ...(apiKey === null ? {} : { apiKey, metadata: { 'temporal-namespace': namespace } }),
  }
}

/** For clients. Without keys it still says in one sentence which key an encrypted payload wants. */
export function dataConverter({ codecKeys }: TemporalSettings): DataConverter {
  return { payloadCodecs: [createCodec(codecKeys)] }
}

/** For workers: with keys, messages and stack traces of failures are encrypted as well. */
export function workerDataConverter(settings: TemporalSettings): DataConverter {
  return {
    ...dataConverter(settings),
    ...(settings.codecKeys ? { failureConverterPath: entryPoint('failure-converter') } : {}),
  }
}

/** The bundle of the workflows; the sandbox of an encrypting worker has another failure converter built in. */
export function workflowBundlePath({ codecKeys }: TemporalSettings): string {
  return path.join(installationRoot(), 'dist', codecKeys ? 'workflow-bundle-encrypted.js' : 'workflow-bundle.js')
}

/** Close its `connection` at the end. */
export async function connectClient(settings: TemporalSettings): Promise<Client> {
  const { Client, Connection } = await import('@temporalio/client')
  const connection = await Connection.connect(connectionOptions(settings))
  return new Client({ connection, namespace: settings.namespace, dataConverter: dataConverter(settings) })
}
