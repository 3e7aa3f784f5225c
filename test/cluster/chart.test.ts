/**
 * The Helm chart on a real cluster: every object that it renders is taken by the API server, and an installation in a
 * namespace of the restricted profile comes up, lets its first owner in, and carries a run through.
 */

import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '#core/storage'
import { clusterDown, clusterUp, loadImages, probeCluster } from '../../infra/local/cluster/index.ts'
import { CHART, helm, renderYaml, type Values } from '../support/helm.ts'
import { jpegImage } from '../support/images.ts'
import { minio, startMinio } from '../support/minio.ts'
import type { S3Server } from '../support/s3-server.ts'
import { startTemporal } from '../support/temporal.ts'

const run = promisify(execFile)
const MINUTES = 60_000
const RESTRICTED = ['enforce', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`)

interface BuiltImage {
  readonly role: 'worker' | 'inference' | 'api'
  readonly name: string
  readonly tar: string
}
interface Pod {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly containerStatuses: readonly { readonly ready: boolean; readonly restartCount: number }[]
  }
}

let folder: string
let env: NodeJS.ProcessEnv
let s3: S3Server
let temporal: TestWorkflowEnvironment

const kubectl = async (...args: readonly string[]) => run('kubectl', [...args], { env, maxBuffer: 64 * 2 ** 20 })
/** One command of `gyre`, inside a Pod of the API. */
async function gyre<T>(...args: readonly string[]): Promise<T> {
  const inPod = ['-n', 'gyre', 'exec', 'deploy/gyre-api', '-c', 'api', '--', 'gyre', ...args, '--json']
  return JSON.parse((await kubectl(...inPod)).stdout) as T
}

/** As people reach it. @returns the address on this machine. */
async function forwarded(target: string): Promise<string> {
  const child = spawn('kubectl', ['-n', 'gyre', 'port-forward', target, ':80'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(() => void child.kill())
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port) return `http://127.0.0.1:${port}`
  }
  throw new Error(`kubectl forwards nothing to ${target}`)
}

async function restrictedNamespace(name: string): Promise<void> {
  await kubectl('create', 'namespace', name)
  await kubectl('label', 'namespace', name, ...RESTRICTED)
}

const left = (await probeCluster()) ?? (minio.path ? null : minio.missing) ?? (helm.path ? null : helm.missing)
describe.skipIf(left !== null)(`the chart on a cluster${left ? ` (left out: ${left})` : ''}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-chart-'))
    s3 = await startMinio(minio.path!)
    temporal = await startTemporal()
    const ports = [new URL(s3.endpoint).port, temporal.address.split(':')[1]!].map(Number)
    const cluster = await clusterUp({ state: folder, say: () => undefined, own: true, hostPorts: ports })
    env = { ...process.env, KUBECONFIG: cluster.kubeconfig }
  }, 4 * MINUTES)
  afterAll(async () => {
    await clusterDown(folder)
    await temporal?.teardown()
    await s3?.stop()
    await rm(folder, { recursive: true, force: true })
  }, 2 * MINUTES)

  it(
    'is taken by the API server whole, without a warning of the restricted profile',
    async () => {
      await restrictedNamespace('dry')
      const images = { worker: 'r.example/w:1', api: 'r.example/a:1', inference: 'r.example/i:1' }
      const existing = { images, store: { uri: 's3://b/p' }, temporal: { address: 't.example:7233' } }
      const storage = { size: '5Gi' }
      const variants: readonly Values[] = [
        existing,
        {
          ...existing,
          compute: 'process',
          workers: { gpu: { enabled: true } },
          api: { pageUrl: 'https://gyre.example', tlsSecret: 'door' },
          pipelinesConfigMap: 'pipelines',
          settingsSecret: 'settings',
          ingress: { enabled: true, tlsSecret: 'page' },
          temporal: { ...existing.temporal, tls: { caSecret: { name: 'ca' }, clientSecret: 'me' } },
        },
        {
          images,
          trial: {
            enabled: true,
            s3: { image: 'r.example/minio:1', storage },
            temporal: { image: 'r.example/temporal:1', storage },
          },
        },
      ]
      for (const values of variants) {
        const yaml = await renderYaml(values)
        const file = path.join(folder, 'objects.yaml')
        await writeFile(file, yaml)
        const { stdout, stderr } = await kubectl('apply', '-n', 'dry', '--dry-run=server', '-f', file)
        expect(stderr).toBe('')
        expect(stdout.trim().split('\n')).toHaveLength(yaml.match(/^kind:/gm)!.length)
      }
    },
    2 * MINUTES,
  )

  it(
    'comes up in a namespace of its own, lets its first owner in and carries a run through',
    async () => {
      const built = await run(process.execPath, ['infra/images/build.mjs', '--out', folder, '--json'])
      const { images } = JSON.parse(built.stdout) as { images: readonly BuiltImage[] }
      await loadImages(folder, images)
      const bucket = await s3.createBucket('gyre')
      const pictures = await openStore(bucket, { project: 'pictures' })
      for (let seed = 1; seed <= 5; seed++) await pictures.create(`${seed}.jpg`, await jpegImage(seed))

      await restrictedNamespace('gyre')
      const secret = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'].map(
        (key) => `--from-literal=${key}=${process.env[key]}`,
      )
      await kubectl('-n', 'gyre', 'create', 'secret', 'generic', 'gyre-store', ...secret)
      const atHost = (address: string) => address.replace('127.0.0.1', 'host.gyre.internal')
      const values = path.join(folder, 'values.json')
      await writeFile(
        values,
        JSON.stringify({
          images: Object.fromEntries(images.map(({ role, name }) => [role, name])),
          store: { uri: `${bucket}/chart`, endpoint: atHost(s3.endpoint) },
          temporal: { address: atHost(temporal.address) },
        }),
      )
      const install = ['upgrade', '--install', 'gyre', CHART, '-n', 'gyre', '-f', values, '--wait', '--timeout', '5m']
      await run(helm.path!, install, { env })

      const { stdout } = await kubectl('-n', 'gyre', 'get', 'pods', '-o', 'json')
      const pods = (JSON.parse(stdout) as { items: readonly Pod[] }).items
      expect(pods).toHaveLength(5)
      expect(pods.flatMap(({ status }) => status.containerStatuses).every(({ ready }) => ready)).toBe(true)

      const { link } = await gyre<{ link: string }>('user', 'add', 'ada', '--role', 'owner')
      expect(link).toMatch(/^http:\/\/localhost:8080\/login\?code=/)
      const imported = await gyre<{ images: number }>('dataset', 'import', 'pictures', `${bucket}/pictures`)
      expect(imported).toMatchObject({ images: 5, rejected: [] })

      const url = await forwarded('svc/gyre-api')
      const asBrowser = { headers: { accept: 'text/html' } }
      const statuses = ['/api/health', '/api/me', '/'].map(async (at) => (await fetch(url + at, asBrowser)).status)
      expect(await Promise.all(statuses)).toEqual([200, 401, 200])
    },
    9 * MINUTES,
  )

  it.each([
    ['create', 'jobs.batch', 'yes'],
    ['patch', 'deployments.apps', 'yes'],
    ['get', 'secrets', 'no'],
    ['create', 'pods/exec', 'no'],
    ['list', 'nodes', 'no'],
  ])('lets workers %s %s: %s', async (verb, resource, expected) => {
    const as = ['--as', 'system:serviceaccount:gyre:gyre-worker', '-n', 'gyre']
    const { stdout } = await kubectl('auth', 'can-i', verb, resource, ...as).catch(
      (error: { stdout: string }) => error, // "no" ends with exit code 1.
    )
    expect(stdout.trim()).toBe(expected)
  })

  it('goes without leaving anything of its own', async () => {
    await run(helm.path!, ['uninstall', 'gyre', '-n', 'gyre', '--wait', '--timeout', '2m'], { env })
    const kinds = 'deployments,services,networkpolicies,poddisruptionbudgets,roles,rolebindings,jobs,secrets'
    const { stdout } = await kubectl('-n', 'gyre', 'get', kinds, '-o', 'name')
    expect(stdout.trim()).toBe('secret/gyre-store')
  })
})
