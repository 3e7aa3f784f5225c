/**
 * A certificate and its key from two PEM files, refused with one sentence where a browser would refuse the connection:
 * a key of another certificate, an expired one, a name that it does not carry.
 */

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { PlatformError } from '#core/errors'

export interface CertificateFiles {
  /** PEM: the server's certificate first, then those between it and the root. */
  readonly certFile: string
  /** PEM, without a passphrase. */
  readonly keyFile: string
}

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
  /** Names and addresses that it is for, as it writes them; a name may begin with `*.`. */
  readonly hosts: readonly string[]
  readonly expiresAt: Date
}

/** @throws {PlatformError} `CERTIFICATE_UNUSABLE` naming the file and what is wrong. */
export async function readCertificate(
  { certFile, keyFile }: CertificateFiles,
  { now = Date.now }: { now?: () => number } = {},
): Promise<Certificate> {
  const [cert, key] = await Promise.all([readPem(certFile), readPem(keyFile)])
  const leaf = parse(certFile, 'certificate', () => new X509Certificate(cert))
  const privateKey = parse<KeyObject>(keyFile, 'private key without passphrase', () => createPrivateKey(key))
  if (!leaf.checkPrivateKey(privateKey)) throw unusable(keyFile, `is not the key of the certificate in ${certFile}`)
  const expiresAt = new Date(leaf.validTo)
  if (expiresAt.getTime() <= now()) throw unusable(certFile, `expired on ${day(expiresAt)}; renew it`)
  if (new Date(leaf.validFrom).getTime() > now())
    throw unusable(certFile, `is valid from ${day(new Date(leaf.validFrom))} only; check this machine's clock`)
  return { cert, key, hosts: alternativeNames(leaf), expiresAt }
}

/** Whether a browser that calls this host takes the certificate. */
export function covers({ cert }: Certificate, host: string): boolean {
  const leaf = new X509Certificate(cert)
  const bare = host.replace(/^\[|\]$/g, '')
  return (isIP(bare) ? leaf.checkIP(bare) : leaf.checkHost(bare)) !== undefined
}

/** `DNS:gyre.example, IP Address:10.0.0.7` → the names; an escaped one is left out, since no browser takes it either. */
function alternativeNames({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').flatMap((entry) => {
    const [, name] = /^(?:DNS|IP Address):([^"\s]+)$/.exec(entry) ?? []
    return name ? [name.toLowerCase()] : []
  })
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw unusable(file, code === 'ENOENT' ? 'does not exist' : `cannot be read (${(cause as Error).message})`, cause)
  }
}

function parse<T>(file: string, what: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw unusable(file, `holds no PEM ${what}`, cause)
  }
}

function day(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an unknown day' : date.toISOString().slice(0, 10)
}

function unusable(file: string, trouble: string, cause?: unknown): PlatformError {
  return new PlatformError('CERTIFICATE_UNUSABLE', `${file} ${trouble}`, { file }, { cause })
}
