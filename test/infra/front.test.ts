import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chooseFront, type FrontWishes } from '../../infra/local/front.ts'
import { TestAuthority, type TestCertificate } from '../support/certificates.ts'

let folder: string
let pair: TestCertificate
let wild: TestCertificate

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-front-'))
  const authority = new TestAuthority(folder)
  pair = authority.issue('DNS:gyre.example,IP:10.0.0.7')
  wild = authority.issue('DNS:*.example.org')
})
afterAll(() => rmSync(folder, { recursive: true }))

const choose = (wishes: Partial<FrontWishes>) =>
  chooseFront({ listen: '0.0.0.0', tls: null, behindProxy: false, ...wishes })

describe('the address of a team server', () => {
  it.each(['0.0.0.0', '10.0.0.7:443', '::', '[::]:8443', '192.168.1.5', 'gyre.example:443', '::ffff:10.0.0.7'])(
    'needs TLS on %s',
    async (listen) => {
      await expect(choose({ listen })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/clear text; give --tls-cert and --tls-key/) as string,
      })
    },
  )

  it.each([
    ['127.0.0.1', 'http://127.0.0.1:8443'],
    ['127.1.2.3:9000', 'http://127.1.2.3:9000'],
    ['[::1]:9000', 'http://[::1]:9000'],
    ['::1', 'http://[::1]:8443'],
    ['localhost:9000', 'http://localhost:9000'],
  ])('may go without on %s', async (listen, publicUrl) => {
    expect(await choose({ listen })).toMatchObject({ publicUrl, tls: null })
  })

  it.each(['', 'a b', ':8443', '10.0.0.7:0', '10.0.0.7:70000', '[10.0.0.7]:80', 'a:b:80'])(
    'is refused as "%s"',
    async (listen) => {
      await expect(choose({ listen, tls: pair })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    },
  )

  it('is named by the certificate where nobody names it', async () => {
    expect(await choose({ tls: pair })).toMatchObject({
      ...{ host: '0.0.0.0', port: 8443, publicUrl: 'https://gyre.example:8443' },
      hosts: ['gyre.example', '10.0.0.7'],
    })
    expect(await choose({ tls: pair, listen: '10.0.0.7:443' })).toMatchObject({ publicUrl: 'https://10.0.0.7' })
    await expect(choose({ tls: wild })).rejects.toThrow('--public-url')
  })

  it('must be one that the certificate covers', async () => {
    const publicUrl = 'https://labels.example.org'
    expect(await choose({ tls: wild, publicUrl, hosts: ['old.example.org'] })).toMatchObject({
      publicUrl,
      hosts: ['labels.example.org', 'old.example.org'],
    })
    await expect(choose({ tls: pair, publicUrl })).rejects.toMatchObject({
      code: 'CERTIFICATE_UNUSABLE',
      message: `${pair.certFile} is for gyre.example, 10.0.0.7, not for labels.example.org; browsers would refuse it`,
    })
  })

  it.each([
    'gyre.example',
    'ftp://gyre.example',
    'https://gyre.example/team',
    'http://gyre.example',
    'https://u@gyre.example',
  ])('is not written as %s', async (publicUrl) => {
    await expect(choose({ tls: pair, publicUrl })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('behind a proxy is the address of the proxy, on loopback, without TLS of its own', async () => {
    const proxied = { listen: '127.0.0.1:8443', behindProxy: true, publicUrl: 'https://gyre.example/' }
    expect(await choose(proxied)).toMatchObject({
      ...{ publicUrl: 'https://gyre.example', hosts: ['gyre.example', '127.0.0.1'], behindProxy: true },
    })
    await expect(choose({ ...proxied, listen: '0.0.0.0' })).rejects.toThrow('clear text')
    await expect(choose({ ...proxied, tls: pair })).rejects.toThrow('exclude each other')
    const { publicUrl: _, ...unnamed } = proxied
    await expect(choose(unnamed)).rejects.toThrow('needs --public-url')
  })
})
