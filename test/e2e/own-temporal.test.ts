/** The real processes on a Temporal server of the user's own: behind TLS that wants to know its clients, with encrypted payloads. */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { entryPoint } from '#core/execution'
import { gyre, StateFolders } from '../support/gyre.ts'
import { startTemporal } from '../support/temporal.ts'
import { startTlsProxy } from '../support/tls-proxy.ts'
import { createAuthority } from '../support/x509.ts'

const authority = createAuthority('the team’s authority')
const folders = new StateFolders()

let folder: string
let env: TestWorkflowEnvironment
let proxy: { port: number; stop(): Promise<void> }
let settings: Record<string, string>

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-own-'))
  env = await startTemporal()
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.cert }
  proxy = await startTlsProxy(env.address, { ...authority.issue('temporal.team'), ...mutual })
  const { cert, key } = authority.issue('gyre')
  settings = {
    TEMPORAL_ADDRESS: `127.0.0.1:${proxy.port}`,
    TEMPORAL_TLS_CA: file('ca.pem', authority.cert),
    TEMPORAL_TLS_CERT: file('cert.pem', cert),
    TEMPORAL_TLS_KEY: file('key.pem', key),
    TEMPORAL_TLS_SERVER_NAME: 'temporal.team',
  }
})
afterEach(() => folders.clean())
afterAll(async () => {
  await proxy.stop()
  await env.teardown()
  rmSync(folder, { recursive: true })
})

function file(name: string, content: string): string {
  const at = path.join(folder, name)
  writeFileSync(at, content, { mode: 0o600 })
  return at
}

interface RunningWorker {
  readonly health: string
  /** Asks it to end, and gives its exit code. */
  end(): Promise<number | null>
}

/** @throws with the last line of the log when it ends before it is ready. */
async function startWorker(extra: Record<string, string> = {}): Promise<RunningWorker> {
  const child = spawn(process.execPath, [entryPoint('worker')], {
    env: {
      ...process.env,
      ...settings,
      GYRE_STORE: `file://${folder}/objects`,
      GYRE_STATE: path.join(folder, 'state'),
      GYRE_HEALTH_PORT: '0',
      ...extra,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const closed = once(child, 'close').then(([code]) => code as number | null)
  const ready = once(createInterface({ input: child.stdout }), 'line').then(([line]) => line as string)
  const early = closed.then((code) => Promise.reject(new Error(`exit ${code}: ${log.trim().split('\n').at(-1)}`)))
  early.catch(() => undefined)
  const { health } = JSON.parse(await Promise.race([ready, early])) as { health: string }
  return { health, end: () => (child.kill('SIGTERM'), closed) }
}

describe('a worker', () => {
  it('tells probes that it lives, that it is ready, and how it fares', async () => {
    const { health, end } = await startWorker()
    const get = async (at: string) => {
      const answer = await fetch(health + at)
      return { status: answer.status, text: await answer.text() }
    }
    expect(await get('/healthz')).toEqual({ status: 200, text: 'alive\n' })
    await vi.waitFor(async () => expect(await get('/readyz')).toEqual({ status: 200, text: 'ready\n' }), 20_000)
    expect((await get('/metrics')).text).toMatch(/^temporal_/m)
    expect((await get('/')).status).toBe(404)
    expect(await end()).toBe(0)
  })

  it.each([
    [
      'a namespace that is not there',
      { TEMPORAL_NAMESPACE: 'nobody' },
      /exit 5: .*has no namespace \\"nobody\\"; create it/,
    ],
    ['a server that wants TLS', { TEMPORAL_TLS_SERVER_NAME: '' }, /exit 5: .*is for another name than 127\.0\.0\.1/],
    ['a file that is not there', { TEMPORAL_TLS_CA: '/nowhere' }, /exit 2: .*TEMPORAL_TLS_CA names \/nowhere/],
  ])('says in one sentence what is wrong with %s', async (_what, wrong, sentence) => {
    await expect(startWorker(wrong)).rejects.toThrow(sentence)
  })
})

describe('gyre dev', () => {
  it('runs on the user’s own server, which can read nothing of what runs', async () => {
    const keys = { active: 'k1', keys: { k1: randomBytes(32).toString('base64') } }
    const own = { ...settings, GYRE_CODEC_KEYS_FILE: file('keys.json', JSON.stringify(keys)) }
    const { info } = await folders.startDev(folders.create(), [], own)
    expect(info.temporalAddress).toBe(settings['TEMPORAL_ADDRESS'])
    const command = ['batch', 'run', 'secret-model', '--on', folder, '--json', '--state', info.state]
    const { id } = JSON.parse((await gyre(command, own)).stdout) as { id: string }
    const shown = await gyre(['run', 'show', id, '--json', '--state', info.state], own)
    expect(shown.stdout).toContain('secret-model')

    const history = await env.client.workflow.getHandle(id).fetchHistory()
    const text = historyToJSON(history)
    const payloads = [...text.matchAll(/"data": "([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data!, 'base64').toString('latin1'),
    )
    expect(payloads.length).toBeGreaterThan(3)
    for (const stored of [text, ...payloads]) expect(stored).not.toContain('secret-model')
  })

  it.each([
    ['is not there', { TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'nothing listens at 127.0.0.1:1'],
    ['is not trusted', { TEMPORAL_TLS_CA: '' }, 'an authority that this machine does not know; set TEMPORAL_TLS_CA'],
  ])('starts nothing on a server that %s', async (_how, wrong, sentence) => {
    const { code, stderr } = await gyre(['dev', '--state', folders.create()], { ...settings, ...wrong })
    expect(code).toBe(5)
    expect(stderr).toContain(sentence)
  })
})
