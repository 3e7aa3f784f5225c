/**
 * The API process: HTTP for the command line and the pages. Says `{"ready":true,"url":…}` on standard output when it
 * listens; ends with its parent; lets running calls finish on SIGTERM.
 */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { existsSync, readFileSync } from 'node:fs'
import { removeOldDrops } from '#core/batch'
import { PlatformError, toPlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { createLogger } from '#core/log'
import { endWithParent } from '#core/serving'
import { openStore } from '#core/storage'
import { connectClient, createCodec } from '../../infra/temporal/index.ts'
import { auditFile, auditLog } from './audit.ts'
import { composePorts } from './compose.ts'
import { readConfig, type ApiConfig } from './config.ts'
import { createEngine, runSettings } from './engine.ts'
import { readHookKey } from './hook-key.ts'
import type { ApiSettings } from './ports.ts'
import { buildServer, type Api } from './server.ts'
import { createTriggers } from './triggers.ts'

const log = createLogger('api')
const TIDY_MS = 6 * 3_600_000
/** How soon a trigger follows its definition. */
const RECONCILE_MS = 60_000

try {
  await run(readConfig(process.env))
} catch (error) {
  const { message, exitCode } = toPlatformError(error)
  log.fatal({ err: error }, `the API cannot start: ${message}`)
  process.exit(exitCode)
}

async function run(config: ApiConfig): Promise<void> {
  const { temporal, uploadsDir, gatewayUrl, servicesOnCluster, projectDir, bundleDir, heartbeatMs } = config
  const store = await openStore(config.store.uri, { project: config.store.project })
  const { project } = config.store
  const { notify } = config
  const engine = await createEngine({ store, project, projectDir, bundleDir, temporal, heartbeatMs, notify })
  const client = await connectClient(temporal)
  const triggers = createTriggers({
    ...{ store, projectDir, bundleDir, client, log },
    settings: runSettings({ heartbeatMs, project, notify }),
    hookKey: await readHookKey(config.hookKey),
  })
  const ownerToken = config.ownerTokenFile && (await readFile(config.ownerTokenFile, 'utf8').catch(() => null))
  const lifetime = config.sessionMs === null ? {} : { sessionMs: config.sessionMs }
  const ports = composePorts({
    ...{ store, engine, triggers, gatewayUrl, servicesOnCluster, pageUrl: config.pageUrl, ...lifetime },
    ownerToken: ownerToken?.trim() || null,
    catalogDir: config.catalogDir,
  })
  const server = await buildServer(ports, {
    log,
    webDir: existsSync(path.join(config.webDir, 'index.html')) ? config.webDir : null,
    uploadsDir,
    hosts: config.hosts,
    version: version(),
    temporalUi: temporal.uiUrl,
    codec: codecFor(temporal),
    pageUrl: config.pageUrl,
    trustedProxies: config.trustedProxies,
    audit: config.auditFile === null ? auditLog(log) : auditFile(config.auditFile),
    ...lifetime,
  })
  const url = await listen(server, config)
  endWithParent(() => process.exit(0))
  const tidy = () => void removeOldDrops(store).catch((error: unknown) => log.warn({ err: error }, 'old uploads stay'))
  tidy()
  setInterval(tidy, TIDY_MS).unref()
  const reconcile = () =>
    void triggers.reconcile().catch((error: unknown) => log.warn({ err: error }, 'triggers stay as they are'))
  reconcile()
  setInterval(reconcile, RECONCILE_MS).unref()
  let ending: Promise<void> | null = null
  const end = async () => {
    await server.close()
    await engine.close()
    await client.connection.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void (ending ??= end()))
  process.stdout.write(`${JSON.stringify({ ready: true, url })}\n`)
}

function codecFor({ codecKeys, uiUrl }: ApiConfig['temporal']): NonNullable<ApiSettings['codec']> | null {
  if (!codecKeys || !uiUrl) return null
  const { decode } = createCodec(codecKeys)
  return { origin: new URL(uiUrl).origin, decode }
}

/** @throws {PlatformError} `PORT_IN_USE`. */
async function listen(server: Api, { listen: { host, port } }: ApiConfig): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    const message = `port ${port}, asked for the API, is in use; choose another one or leave GYRE_PORT out`
    throw new PlatformError('PORT_IN_USE', message, { port }, { cause })
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(path.join(installationRoot(), 'package.json'), 'utf8')) as {
    version: string
  }
  return manifest.version
}
