/** A Temporal server of the user's own: a real one behind TLS, and each way in which it can be set up wrongly. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { NativeConnection } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  checkTemporal,
  connectClient,
  connectionOptions,
  prepareTemporal,
  SEARCH_ATTRIBUTES,
  temporalSettings,
} from '../../../infra/temporal/index.ts'
import { createAuthority } from '../../support/x509.ts'
import { startTemporal } from '../../support/temporal.ts'
import { startTlsProxy } from '../../support/tls-proxy.ts'

const authority = createAuthority('the team’s authority')
const server = authority.issue('temporal.team')
const client = authority.issue('gyre')
const stranger = createAuthority('somebody else')

let env: TestWorkflowEnvironment
let folder: string
/** One with the server's certificate alone, one that wants a client's too, one whose certificate is of yesterday. */
let proxy: Record<'tls' | 'mutual' | 'expired', { port: number; stop(): Promise<void> }>

beforeAll(async () => {
  env = await startTemporal()
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-tls-'))
  const hourAgo = new Date(Date.now() - 3_600_000)
  const expired = authority.issue('temporal.team', { notAfter: hourAgo })
  const mutual = { ...server, requestCert: true, rejectUnauthorized: true, ca: authority.cert }
  const [one, two, three] = await Promise.all(
    [server, mutual, expired].map((options) => startTlsProxy(env.address, options)),
  )
  proxy = { tls: one!, mutual: two!, expired: three! }
})

afterAll(async () => {
  await Promise.all(Object.values(proxy).map((one) => one.stop()))
  await env.teardown()
  rmSync(folder, { recursive: true })
})

function file(content: string): string {
  const name = path.join(folder, `${Math.random()}.pem`)
  writeFileSync(name, content)
  return name
}

const at = (port: number): Record<string, string> => ({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` })
const trusted = () => ({ TEMPORAL_TLS_CA: file(authority.cert), TEMPORAL_TLS_SERVER_NAME: 'temporal.team' })
const known = () => ({ TEMPORAL_TLS_CERT: file(client.cert), TEMPORAL_TLS_KEY: file(client.key) })

async function problem(settings: Record<string, string>): Promise<string | undefined> {
  const problems = await checkTemporal(temporalSettings(settings))
  expect(problems.every(({ exitCode }) => exitCode === 5)).toBe(true)
  return problems[0]?.message
}

describe('a server behind TLS', () => {
  it('is used with the authority that signed its certificate', async () => {
    expect(await problem({ ...at(proxy.tls.port), ...trusted() })).toBeUndefined()
  })

  it('that wants to know its clients is used by clients and workers alike', async () => {
    const settings = temporalSettings({ ...at(proxy.mutual.port), ...trusted(), ...known() })
    expect(await checkTemporal(settings)).toEqual([])
    const { connection, workflow } = await connectClient(settings)
    expect((await workflow.count()).count).toBe(0)
    await connection.close()
    const worker = await NativeConnection.connect(connectionOptions(settings))
    const { namespaceInfo } = await worker.workflowService.describeNamespace({ namespace: 'default' })
    expect(namespaceInfo?.name).toBe('default')
    await worker.close()
  })

  it.each<[string, () => Record<string, string>, RegExp]>([
    [
      'with the authority of somebody else',
      () => ({ ...at(proxy.tls.port), ...trusted(), TEMPORAL_TLS_CA: file(stranger.cert) }),
      /is not signed by the authority in TEMPORAL_TLS_CA/,
    ],
    [
      'without its authority',
      () => ({ ...at(proxy.tls.port), TEMPORAL_TLS_SERVER_NAME: 'temporal.team' }),
      /an authority that this machine does not know; set TEMPORAL_TLS_CA/,
    ],
    [
      'under another name',
      () => ({ ...at(proxy.tls.port), TEMPORAL_TLS_CA: file(authority.cert) }),
      /is for another name than 127\.0\.0\.1; set TEMPORAL_TLS_SERVER_NAME/,
    ],
    ['in the clear', () => at(proxy.tls.port), /wants TLS; set TEMPORAL_TLS=true/],
    ['of yesterday', () => ({ ...at(proxy.expired.port), ...trusted() }), /has expired; renew it, or set the clock/],
    [
      'without a client certificate',
      () => ({ ...at(proxy.mutual.port), ...trusted() }),
      /wants a client certificate; set TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY/,
    ],
    [
      'with the client certificate of somebody else',
      () => {
        const { cert, key } = stranger.issue('gyre')
        const wrong = { TEMPORAL_TLS_CERT: file(cert), TEMPORAL_TLS_KEY: file(key) }
        return { ...at(proxy.mutual.port), ...trusted(), ...wrong }
      },
      /does not accept the client certificate/,
    ],
  ])('says what is wrong in one sentence: %s', async (_how, settings, sentence) => {
    expect(await problem(settings())).toMatch(sentence)
  })
})

describe('a server without TLS', () => {
  it('says so to who speaks TLS', async () => {
    expect(await problem({ TEMPORAL_ADDRESS: env.address, TEMPORAL_TLS: 'true' })).toMatch(/does not speak TLS/)
  })

  it('that is not there is named, and may come later', async () => {
    const settings = temporalSettings({ TEMPORAL_ADDRESS: '127.0.0.1:1' })
    const [refused] = await checkTemporal(settings)
    expect(refused).toMatchObject({ code: 'TEMPORAL_UNAVAILABLE', retryable: true })
    expect(refused?.message).toBe(
      'nothing listens at 127.0.0.1:1; start the Temporal server, or correct TEMPORAL_ADDRESS',
    )
    await expect(prepareTemporal(settings, { patienceMs: 0 })).rejects.toThrow('nothing listens at 127.0.0.1:1')
  })

  it('without the namespace gives the command that makes it', async () => {
    const message = await problem({ TEMPORAL_ADDRESS: env.address, TEMPORAL_NAMESPACE: 'nobody' })
    expect(message).toContain(
      `create it: temporal operator namespace create --address ${env.address} --namespace nobody --retention 90d`,
    )
  })
})

describe('a namespace of the user’s own', () => {
  it('gets the search attributes at the first start, and takes runs that have them at once', async () => {
    const namespace = 'team'
    const day = { seconds: 86_400 as unknown as Long }
    await env.connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day })
    const settings = temporalSettings({ TEMPORAL_ADDRESS: env.address, TEMPORAL_NAMESPACE: namespace })
    const [missing] = await checkTemporal(settings)
    expect(missing?.message).toMatch(
      /lacks the search attributes GyrePipeline, .*add them: temporal operator search-attribute create .*--name GyrePipeline --type Keyword/,
    )
    await prepareTemporal(settings, { patienceMs: 0 })
    expect(await checkTemporal(settings)).toEqual([])
    const { workflow, connection } = await connectClient(settings)
    const attributes = Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, ['x']]))
    await workflow.start('anything', { taskQueue: 'none', workflowId: 'w', searchAttributes: attributes })
    await connection.close()
  })
})
