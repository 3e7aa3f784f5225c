/**
 * The address that other machines reach: what may be chosen, and what the processes of the stack are told of it. Refuses
 * whatever would send logins in clear text, or name an address that no browser would trust.
 */

import { BlockList, isIP } from 'node:net'
import { PlatformError } from '#core/errors'
import { covers, readCertificate, type Certificate, type CertificateFiles } from '#core/tls'

/** What a person asked for. */
export interface FrontWishes {
  /** `ADDR`, `ADDR:PORT` or `[ADDR6]:PORT`. */
  readonly listen: string
  readonly tls: CertificateFiles | null
  /** A proxy on this machine brings the calls and has the certificate. */
  readonly behindProxy: boolean
  /** `https://gyre.example`; found from the certificate where left out. */
  readonly publicUrl?: string
  /** More names under which people come. */
  readonly hosts?: readonly string[]
  readonly sessionMs?: number
}

export interface Front {
  readonly host: string
  readonly port: number
  readonly tls: CertificateFiles | null
  readonly behindProxy: boolean
  /** Scheme, host and port as people write them. */
  readonly publicUrl: string
  readonly hosts: readonly string[]
  readonly sessionMs: number | null
}

export const USUAL_FRONT_PORT = 8443

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** @throws {PlatformError} `INVALID_INPUT`, `CERTIFICATE_UNUSABLE`. */
export async function chooseFront(wishes: FrontWishes): Promise<Front> {
  const { host, port } = parseAddress(wishes.listen)
  const { behindProxy, sessionMs = null } = wishes
  if (behindProxy && wishes.tls) throw invalid('--behind-proxy and --tls-cert exclude each other: one of them has TLS')
  if (!wishes.tls && !isLoopback(host)) throw clearText(host)
  if (behindProxy && !wishes.publicUrl)
    throw invalid('--behind-proxy needs --public-url: the address that people open, as https://gyre.example')
  const certificate = wishes.tls && (await readCertificate(wishes.tls))
  const publicUrl = wishes.publicUrl
    ? checkPublicUrl(wishes.publicUrl, wishes.tls, certificate)
    : defaultUrl(host, port, wishes.tls, certificate)
  const named = certificate?.hosts.filter((name) => !name.includes('*')).map(bracketed) ?? []
  const hosts = [...new Set([new URL(publicUrl).hostname, ...named, ...(wishes.hosts ?? []), ...ownHost(host)])]
  return { host, port, tls: wishes.tls, behindProxy, publicUrl, hosts, sessionMs }
}

/** What the processes of the stack are told. */
export function frontEnvironment({
  host,
  port,
  tls,
  behindProxy,
  publicUrl,
  hosts,
  sessionMs,
}: Front): NodeJS.ProcessEnv {
  return {
    GYRE_FRONT_HOST: host,
    GYRE_FRONT_PORT: String(port),
    GYRE_PAGE_URL: publicUrl,
    GYRE_HOSTS: hosts.join(','),
    GYRE_TRUSTED_PROXIES: 'loopback',
    GYRE_BEHIND_PROXY: behindProxy ? '1' : '',
    // The engine's page has no login, so it is not for people elsewhere and no page links to it.
    GYRE_TEMPORAL_UI: '',
    ...(tls && { GYRE_TLS_CERT: tls.certFile, GYRE_TLS_KEY: tls.keyFile }),
    ...(sessionMs !== null && { GYRE_SESSION_MS: String(sessionMs) }),
  }
}

function parseAddress(text: string): { host: string; port: number } {
  const [, six, four, digits] = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d+))?$/.exec(text) ?? []
  const host = six ?? four ?? (isIP(text) === 6 ? text : undefined)
  const port = digits === undefined ? USUAL_FRONT_PORT : Number(digits)
  if (!host || port < 1 || port > 65_535 || (six !== undefined && isIP(six) !== 6))
    throw invalid(`--listen ${text} is not an address; write 0.0.0.0:8443, 10.0.0.7 or [::]:8443`)
  return { host, port }
}

function isLoopback(host: string): boolean {
  const family = isIP(host)
  return host === 'localhost' || (family !== 0 && loopback.check(host, family === 6 ? 'ipv6' : 'ipv4'))
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Under its own number this machine is reached, unless it listens on all. */
function ownHost(host: string): string[] {
  return isEverywhere(host) ? [] : [bracketed(host)]
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host
}

function checkPublicUrl(text: string, tls: CertificateFiles | null, certificate: Certificate | null): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.hash || url.username)
    throw invalid(`--public-url ${text} is not scheme and host alone; write https://gyre.example`)
  if (tls && url.protocol !== 'https:') throw invalid(`--public-url ${text} must begin with https://, since TLS is on`)
  if (tls && certificate && !covers(certificate, url.hostname)) throw notCovered(tls, certificate, url.hostname)
  return url.origin
}

function defaultUrl(host: string, port: number, tls: CertificateFiles | null, certificate: Certificate | null): string {
  if (!tls || !certificate) return new URL(`http://${bracketed(host)}:${port}`).origin
  const own = !isEverywhere(host) && covers(certificate, host) ? host : null
  const name = own ?? certificate.hosts.find((one) => !one.includes('*'))
  if (!name) throw invalid(`${tls.certFile} names no single host; say with --public-url which one people open`)
  return new URL(`https://${bracketed(name)}:${port}`).origin
}

function clearText(host: string): PlatformError {
  const message = `on ${host} logins would travel in clear text; give --tls-cert and --tls-key, or listen on 127.0.0.1 with --behind-proxy`
  return invalid(message)
}

function notCovered({ certFile }: CertificateFiles, { hosts }: Certificate, host: string): PlatformError {
  const message = `${certFile} is for ${hosts.join(', ') || 'no host'}, not for ${host}; browsers would refuse it`
  return new PlatformError('CERTIFICATE_UNUSABLE', message, { host })
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_INPUT', message)
}
