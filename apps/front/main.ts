/**
 * The front door of `gyre serve`: the one address that other machines reach, over TLS. Says `{"ready":true,"url":…}` on
 * standard output when it listens; ends with its parent; takes a renewed certificate on SIGHUP, and by itself within a
 * minute, without closing a connection.
 */

import { watchFile } from 'node:fs'
import { createServer as createPlainServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { PlatformError, toPlatformError } from '#core/errors'
import { createDoorkeeper } from '#core/identity'
import { createLogger } from '#core/log'
import { endWithParent, RequestGauge } from '#core/serving'
import { openStore } from '#core/storage'
import { readCertificate, type CertificateFiles } from '#core/tls'
import { readConfig, type FrontConfig } from './config.ts'
import { createFront } from './front.ts'

const log = createLogger('front')

/** A connection on which nothing happens in either direction is closed; event streams say something every 15 s. */
const SILENCE_MS = 300_000
const HEADERS_MS = 80_000
const KEEP_ALIVE_MS = 75_000
const CONNECTIONS = 10_000
const CERTIFICATE_POLL_MS = 30_000
const DRAIN_LIMIT_MS = 8_000
const QUIET_MS = 100
const EXPIRES_SOON_MS = 14 * 86_400_000

try {
  await run(readConfig(process.env))
} catch (error) {
  const { message, exitCode } = toPlatformError(error)
  log.fatal({ err: error }, `the front door cannot open: ${message}`)
  process.exit(exitCode)
}

async function run(config: FrontConfig): Promise<void> {
  const store = await openStore(config.store.uri, { project: config.store.project })
  const server = config.tls ? await tlsServer(config.tls) : createPlainServer()
  server.on('request', createFront({ ...config, doorkeeper: createDoorkeeper(store, { door: 'endpoints' }) }))
  server.headersTimeout = HEADERS_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.requestTimeout = 0 // An upload takes as long as it takes, while something arrives.
  server.setTimeout(SILENCE_MS)
  server.maxConnections = CONNECTIONS
  const gauge = new RequestGauge(server)
  const url = await listen(server, config)
  endWithParent(() => process.exit(0))
  let isEnding = false
  const end = async () => {
    if (isEnding) return
    isEnding = true
    server.close()
    await gauge.quiet({ quietMs: QUIET_MS, limitMs: DRAIN_LIMIT_MS })
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end())
  process.stdout.write(`${JSON.stringify({ ready: true, url })}\n`)
}

async function tlsServer(files: CertificateFiles): Promise<TlsServer> {
  const { cert, key, expiresAt } = await readCertificate(files)
  const server = createTlsServer({ cert, key, minVersion: 'TLSv1.2' })
  noteExpiry(expiresAt)
  const renew = () =>
    readCertificate(files).then(
      (fresh) => {
        server.setSecureContext({ cert: fresh.cert, key: fresh.key, minVersion: 'TLSv1.2' })
        log.info({ expiresAt: fresh.expiresAt }, 'the certificate was read again')
        noteExpiry(fresh.expiresAt)
      },
      (error: unknown) => log.error({ err: error }, 'the new certificate cannot be used; the former one stays'),
    )
  process.on('SIGHUP', () => void renew())
  for (const file of [files.certFile, files.keyFile]) {
    // Polled: certificates are often links that are pointed elsewhere, which events of the file do not tell.
    watchFile(file, { interval: CERTIFICATE_POLL_MS, persistent: false }, () => void renew())
  }
  return server
}

function noteExpiry(expiresAt: Date): void {
  if (expiresAt.getTime() - Date.now() < EXPIRES_SOON_MS)
    log.warn({ expiresAt }, 'the certificate expires soon; renew it')
}

/** @throws {PlatformError} `PORT_IN_USE`; `INVALID_INPUT` for an address that this machine does not have. */
async function listen(server: Server | TlsServer, { host, port, tls }: FrontConfig): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailure(cause, host, port)))
    server.listen({ host, port }, resolve)
  })
  const { port: got } = server.address() as AddressInfo
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${got}`
}

function listenFailure(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  if (cause.code === 'EADDRINUSE')
    return new PlatformError('PORT_IN_USE', `port ${port} of ${host} is taken by another process`, { port }, { cause })
  if (cause.code === 'EACCES')
    return new PlatformError(
      'INVALID_INPUT',
      `port ${port} needs the capability CAP_NET_BIND_SERVICE; use a port from 1024, or the unit of --print-systemd-unit`,
      { port },
      { cause },
    )
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND')
    return new PlatformError(
      'INVALID_INPUT',
      `this machine has no address ${host}; use one of its own`,
      { host },
      { cause },
    )
  return cause
}
