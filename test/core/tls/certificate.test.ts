import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { covers, readCertificate } from '#core/tls'
import { TestAuthority, type TestCertificate } from '../../support/certificates.ts'

let folder: string
let authority: TestAuthority
let pair: TestCertificate

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-tls-'))
  authority = new TestAuthority(folder)
  pair = authority.issue('DNS:gyre.example,DNS:*.labels.example,IP:10.0.0.7')
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('a certificate', () => {
  it('tells the hosts it is for and when it ends', async () => {
    const certificate = await readCertificate(pair)
    expect(certificate.hosts).toEqual(['gyre.example', '*.labels.example', '10.0.0.7'])
    expect(certificate.expiresAt.getTime() - Date.now()).toBeGreaterThan(23 * 3_600_000)
    expect(certificate.expiresAt.getTime() - Date.now()).toBeLessThanOrEqual(24 * 3_600_000)
  })

  it.each([
    ['gyre.example', true],
    ['other.example', false],
    ['a.labels.example', true],
    ['a.b.labels.example', false],
    ['10.0.0.7', true],
    ['10.0.0.8', false],
  ])('for the host %s: %s', async (host, expected) => {
    expect(covers(await readCertificate(pair), host)).toBe(expected)
  })

  it('is refused with the key of another one', async () => {
    const other = authority.issue('DNS:gyre.example')
    await expect(readCertificate({ ...pair, keyFile: other.keyFile })).rejects.toMatchObject({
      code: 'CERTIFICATE_UNUSABLE',
      message: `${other.keyFile} is not the key of the certificate in ${pair.certFile}`,
    })
  })

  it('is refused once it has expired, and before it is valid', async () => {
    const { expiresAt } = await readCertificate(pair)
    const at = (ms: number) => readCertificate(pair, { now: () => expiresAt.getTime() + ms })
    await expect(at(0)).rejects.toThrow(/expired on \d{4}-\d{2}-\d{2}; renew it/)
    await expect(at(-2 * 86_400_000)).rejects.toThrow(/valid from/)
  })

  it('is refused where a file is missing, no PEM, or its key needs a passphrase', async () => {
    const missing = path.join(folder, 'missing.pem')
    await expect(readCertificate({ ...pair, certFile: missing })).rejects.toThrow(`${missing} does not exist`)
    const text = path.join(folder, 'text.pem')
    writeFileSync(text, 'hello')
    await expect(readCertificate({ ...pair, certFile: text })).rejects.toThrow(`${text} holds no PEM certificate`)
    const locked = path.join(folder, 'locked.key')
    execFileSync('openssl', ['ec', '-in', pair.keyFile, '-aes128', '-passout', 'pass:x', '-out', locked], {
      stdio: 'ignore',
    })
    await expect(readCertificate({ ...pair, keyFile: locked })).rejects.toThrow('without passphrase')
  })
})
