/**
 * The gateway: the address of every endpoint. On one machine it also hosts their replica processes; on a cluster there
 * are several gateways, and Kubernetes runs the replicas. What should run stands in the object store alone. Says `{"ready":true,"url":…}` on standard output when it listens; ends by itself when
 * its parent's pipe closes, and its replicas with it.
 */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PlatformError, toPlatformError } from '#core/errors'
import { createLogger } from '#core/log'
import { announceGateway, answerMalformed, endWithParent, RequestGauge, type RevisionRecord } from '#core/serving'
import { openStore } from '#core/storage'
import { readConfig, type GatewayConfig } from './config.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import { GatewayMetrics } from './metrics.ts'
import { Proxy } from './proxy.ts'
import { RemoteRevision } from './remote-revision.ts'
import { Replica } from './replica.ts'
import { createRouter } from './router.ts'

const DRAIN_LIMIT_MS = 30_000

const log = createLogger('gateway')

/** How it ends. Set from the start: as the first process of a container it would take no notice of signals otherwise. */
let stop = (): void => process.exit(0)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop())

try {
  await run(readConfig(process.env))
} catch (error) {
  const { code, message, exitCode } = toPlatformError(error)
  log.fatal({ err: error }, `the gateway cannot start: ${message}`)
  process.stdout.write(`${JSON.stringify({ fatal: message, code })}\n`)
  process.exit(exitCode)
}

async function run(config: GatewayConfig): Promise<void> {
  const store = await openStore(config.store.uri, { project: config.store.project })
  const fleet = new Fleet({ store, log, ...backends(config) })
  const metrics = new GatewayMetrics(fleet)
  const state = { draining: false }
  const router = createRouter({
    fleet,
    metrics,
    proxy: new Proxy(fleet, metrics),
    isDraining: () => state.draining,
    isAlone: config.backendUrl === null,
  })
  const server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 120_000 }, router)
  server.on('clientError', answerMalformed)
  const gauge = new RequestGauge(server)
  const url = await listen(server, config)
  endWithParent(() => process.exit(0))

  const look = () => fleet.reconcile().catch((error: unknown) => log.error({ err: error }, 'the store was not read'))
  await look()
  const timer = setInterval(() => void look(), config.pollMs)
  const publicUrl = config.publicUrl ?? url
  // One of several has no address that others could use; the host of the services announces theirs.
  if (config.backendUrl === null) await announceGateway(store, publicUrl)

  const drain = async () => {
    if (state.draining) return
    state.draining = true
    clearInterval(timer)
    await gauge.quiet({ quietMs: config.drainQuietMs, limitMs: DRAIN_LIMIT_MS })
    server.close()
    await fleet.close()
    process.exit(0)
  }
  stop = () => void drain()
  process.stdout.write(`${JSON.stringify({ ready: true, url: publicUrl })}\n`)
}

/** Who runs the replicas, and so who ends them when they are idle. */
function backends(config: GatewayConfig): Pick<FleetOptions, 'warmMs' | 'start'> {
  const { backendUrl, warmMs } = config
  if (backendUrl === null) return { warmMs, start: (record, onChange) => startReplicas(record, config, onChange) }
  const urlOf = ({ endpoint, revision }: RevisionRecord) =>
    backendUrl.replaceAll('{endpoint}', endpoint).replaceAll('{revision}', String(revision))
  return { warmMs: null, start: (record, onChange) => [new RemoteRevision({ url: urlOf(record), log, onChange })] }
}

function startReplicas({ endpoint, revision, replicas }: RevisionRecord, config: GatewayConfig, onChange: () => void) {
  const env = replicaEnvironment(config)
  return Array.from({ length: replicas }, (_, index) => new Replica({ endpoint, revision, index, env }, log, onChange))
}

/** Replicas inherit what the store's SDK needs, and are told where the store is. */
function replicaEnvironment({ store, modelThreads }: GatewayConfig): Record<string, string> {
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    ...Object.fromEntries(inherited),
    GYRE_STORE: store.uri,
    GYRE_PROJECT: store.project,
    GYRE_MODEL_THREADS: String(modelThreads),
  }
}

/** @throws {PlatformError} `PORT_IN_USE`. */
async function listen(server: Server, { host, port }: GatewayConfig): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new PlatformError(
              'PORT_IN_USE',
              `port ${port}, asked for the gateway, is in use; choose another one or leave GYRE_PORT out`,
              { port },
              { cause },
            )
          : cause,
      ),
    )
    server.listen({ host, port }, resolve)
  })
  const address = server.address() as AddressInfo
  return `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${address.port}`
}
