/** Certificates of an authority of the test's own, made by openssl as an operator would make them. */

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export interface TestCertificate {
  readonly certFile: string
  readonly keyFile: string
}

export class TestAuthority {
  readonly #folder: string
  #serial = 0

  /** @param folder - exists, and is removed by the caller. */
  constructor(folder: string) {
    this.#folder = folder
    const [cert, key] = [this.#at('ca.crt'), this.#at('ca.key')]
    openssl('req', '-x509', ...newKey(key), '-days', '2', '-subj', '/CN=Test authority', '-out', cert)
  }

  get pem(): string {
    return readFileSync(this.#at('ca.crt'), 'utf8')
  }

  get certFile(): string {
    return this.#at('ca.crt')
  }

  /** @param names - as openssl writes alternative names: `DNS:localhost,IP:127.0.0.1`. */
  issue(names: string, { days = 1 }: { days?: number } = {}): TestCertificate {
    const name = `server-${++this.#serial}`
    const [request, certFile, keyFile, extensions] = ['csr', 'crt', 'key', 'ext'].map((end) =>
      this.#at(`${name}.${end}`),
    ) as [string, string, string, string]
    openssl('req', ...newKey(keyFile), '-subj', '/CN=gyre', '-out', request)
    writeFileSync(extensions, `subjectAltName=${names}\n`)
    const signing = ['-CA', this.#at('ca.crt'), '-CAkey', this.#at('ca.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', request, ...signing, '-days', String(days), '-extfile', extensions, '-out', certFile)
    return { certFile, keyFile }
  }

  #at(name: string): string {
    return path.join(this.#folder, name)
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file]
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
