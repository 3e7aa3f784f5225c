/**
 * The loop on a real one-node cluster: the same pipeline file, jobs as Pods, the endpoint as a Deployment, objects in S3;
 * then everything that goes wrong on clusters, provoked for real. Told in order, on one cluster.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunReport } from '#core/runs'
import { probeCluster } from '../../infra/local/cluster/index.ts'
import { LiveCluster } from '../support/live-cluster.ts'
import { LiveStack } from '../support/live-stack.ts'
import { minio } from '../support/minio.ts'
import { openLoad } from '../support/open-load.ts'
import { surfaceSet, type SurfaceSet } from '../support/surface-set.ts'

const MINUTES = 60_000
const OVER = ['completed', 'failed', 'cancelled']
const over = ({ status }: RunReport): boolean => OVER.includes(status)
const project = path.resolve('test/fixtures/cluster-project')

let folder: string
let cluster: LiveCluster
let stack: LiveStack
let set: SurfaceSet

const params = (dataset: string): Record<string, unknown> => ({
  dataset,
  source: set.source,
  classes: set.classes,
  annotator: 'simulated',
  oracle: set.oracle,
  targetAccuracy: 0.9,
  minGain: -1,
})
const outputs = <T>(report: RunReport, step: string): T => report.steps.find(({ id }) => id === step)!.outputs as T

async function start(on: LiveStack, pipeline: string, values: unknown): Promise<string> {
  const answer = await on.request('POST', `/api/pipelines/${pipeline}/runs`, { params: values })
  const body = (await answer.json()) as { id: string; detail?: string }
  if (!answer.ok) throw new Error(body.detail)
  return body.id
}

const container = (values: Record<string, unknown>): Promise<string> => start(stack, 'container', values)
/** A script that ends well when it got what it needs. */
const JOIN = `const fs=require('fs');const {words}=JSON.parse(fs.readFileSync(process.env.GYRE_INPUT+'/input.json','utf8'));
fs.writeFileSync(process.env.GYRE_OUTPUT+'/output.json',JSON.stringify({joined:words.join(' ')}))`
const after = (seconds: number, then = JOIN): string => `setTimeout(()=>{${then}},${seconds * 1_000})`
const work = ({ steps }: RunReport) => steps.find(({ id }) => id === 'work')!
const said = (report: RunReport): string => work(report).reason ?? ''

const left = (await probeCluster()) ?? (minio.path ? null : minio.missing)
describe.skipIf(left !== null)(`the loop on a cluster${left ? ` (left out: ${left})` : ''}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-cluster-'))
    set = await surfaceSet(folder, 240)
    cluster = await LiveCluster.start(folder)
    stack = new LiveStack(cluster.state, { ...cluster.env, GYRE_PROJECT_DIR: project })
    await stack.start()
  }, 8 * MINUTES)
  afterAll(async () => {
    await stack?.stop()
    await cluster?.stop()
    await rm(folder, { recursive: true, force: true })
  }, 2 * MINUTES)

  it(
    'ends as on one machine: the same dataset version, an equal model, the evaluated answers',
    async () => {
      const alone = new LiveStack(path.join(folder, 'alone'))
      await alone.start()
      const reference = await alone.until(await start(alone, 'image-classifier', params('parts')), over, 4 * MINUTES)
      await alone.stop()
      const report = await stack.until(await start(stack, 'image-classifier', params('parts')), over, 5 * MINUTES)
      expect(report.steps.map(({ id, status, code }) => [id, status, code])).toEqual(
        reference.steps.map(({ id }) => [id, 'completed', null]),
      )
      const version = (run: RunReport) => outputs<{ version: { version: string } }>(run, 'annotate').version.version
      const digest = (run: RunReport) => outputs<{ digest: string }>(run, 'register').digest
      expect(version(report)).toBe(version(reference))
      expect(digest(report)).toBe(digest(reference))
      expect(outputs<{ agree: number }>(report, 'prove').agree).toBe(1)
    },
    10 * MINUTES,
  )

  it(
    'shows in the cluster what one would expect, and leaves no job behind',
    async () => {
      const deployments = await cluster.get<{ metadata: { name: string }; status: { readyReplicas?: number } }>(
        'deployments',
      )
      expect(deployments.map(({ metadata, status }) => [metadata.name, status.readyReplicas]).sort()).toEqual([
        ['gyre-gateway', 2],
        ['parts-r1', 2],
      ])
      for (const kind of ['services', 'poddisruptionbudgets', 'networkpolicies'])
        expect(
          (await cluster.get<{ metadata: { name: string } }>(kind)).map(({ metadata }) => metadata.name),
        ).toContain('parts-r1')
      await cluster.until('the end of the jobs', async () => (await cluster.get('jobs')).length === 0)
    },
    2 * MINUTES,
  )

  it(
    'answers every request while each Pod that serves is evicted, within its budget',
    async () => {
      const { url } = outputs<{ url: string }>(await runOf('image-classifier'), 'deploy')
      const load = openLoad(`${url}/v2/models/parts/infer`, await anImage(), 50)
      const serving = await cluster.pods('gyre.io/endpoint=parts')
      expect(serving).toHaveLength(2)
      for (const { metadata } of serving) {
        await cluster.until(`the eviction of ${metadata.name}`, () => cluster.evict(metadata.name), 2 * MINUTES)
        // A second eviction at once would break the budget of one.
        const others = (await cluster.pods('gyre.io/endpoint=parts')).filter(({ metadata: m }) => !m.deletionTimestamp)
        if (others.length < 2) expect(await cluster.evict(others[0]!.metadata.name)).toBe(false)
        await cluster.until('the replacement', () => isReady('parts-r1', 2), 2 * MINUTES)
      }
      const { sent, failed } = await load.stop()
      expect(failed).toEqual([])
      expect(sent).toBeGreaterThan(500)
    },
    6 * MINUTES,
  )

  it(
    'adopts the job of a worker that was killed, and does not run it twice',
    async () => {
      const run = await container({ script: after(8) })
      const pod = await cluster.runningJobPod()
      await stack.kill('worker')
      const report = await stack.until(run, over, 2 * MINUTES)
      expect([report.status, work(report).code]).toEqual(['completed', null])
      expect(outputs(report, 'work')).toMatchObject({ joined: 'in and out' })
      expect((await cluster.pods('gyre.io/job')).filter(({ metadata }) => metadata.uid !== pod.metadata.uid)).toEqual(
        [],
      )
    },
    3 * MINUTES,
  )

  it(
    'goes on in another Pod when the Pod of a job is deleted',
    async () => {
      const run = await container({ script: after(8) })
      const pod = await cluster.runningJobPod()
      await cluster.kubectl('delete', 'pod', pod.metadata.name, '-n', 'gyre', '--wait=false')
      await cluster.until('another Pod', async () =>
        (await cluster.pods('gyre.io/job')).find(({ metadata }) => metadata.uid !== pod.metadata.uid),
      )
      expect((await stack.until(run, over, 2 * MINUTES)).status).toBe('completed')
    },
    3 * MINUTES,
  )

  it(
    'gives more memory to a job that ran out of it, and then says which limit was too small',
    async () => {
      const eat = 'const held=[];setInterval(()=>held.push(Buffer.alloc(8e6,1)),5)'
      const report = await stack.until(await container({ kind: 'small', script: eat }), over, 4 * MINUTES)
      expect(report.status).toBe('failed')
      expect(work(report).reason).toMatch(/memory/)
      expect(work(report).reason).toMatch(/324Mi|325Mi/)
    },
    5 * MINUTES,
  )

  it(
    'shows the words of the scheduler while eight GPUs are wanted, runs when a node has them, and stops when cancelled',
    async () => {
      const run = await container({ script: JOIN, gpus: 8 })
      await stack.until(run, (report) => said(report).includes('nvidia.com/gpu'), MINUTES)
      const shown = await stack.gyre('run', 'show', run)
      expect(shown.stdout).toMatch(/nodes are available.*nvidia\.com\/gpu/s)
      await advertiseGpus(8)
      expect((await stack.until(run, over, MINUTES)).status).toBe('completed')
      await advertiseGpus(0)

      const unlucky = await container({ script: JOIN, gpus: 16 })
      await stack.until(unlucky, (report) => said(report).includes('nodes are available'), MINUTES)
      const began = Date.now()
      expect((await stack.gyre('run', 'cancel', unlucky)).code).toBe(0)
      expect((await stack.until(unlucky, over, 30_000)).status).toBe('cancelled')
      expect(Date.now() - began).toBeLessThan(15_000)
      expect(await cluster.get('jobs')).toEqual([])
    },
    4 * MINUTES,
  )

  it(
    'waits while the node is drained, says so, and goes on when it is back',
    async () => {
      const run = await container({ script: after(6) })
      await cluster.runningJobPod()
      const [node] = (await cluster.kubectl('get', 'nodes', '-o', 'name')).trim().split('\n')
      await cluster.kubectl('cordon', node!)
      await cluster.kubectl(
        'drain',
        node!,
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--force',
        '--pod-selector=gyre.io/job',
      )
      const waiting = await stack.until(run, (report) => said(report).includes('nodes are available'), MINUTES)
      expect(said(waiting)).toMatch(/unschedulable/)
      await cluster.kubectl('uncordon', node!)
      expect((await stack.until(run, over, 2 * MINUTES)).status).toBe('completed')
    },
    4 * MINUTES,
  )

  it(
    'keeps its jobs while the API server restarts',
    async () => {
      const run = await container({ script: after(6) })
      await cluster.runningJobPod()
      await cluster.restartApiServer()
      expect((await stack.until(run, over, 2 * MINUTES)).status).toBe('completed')
    },
    3 * MINUTES,
  )

  it(
    'says in one sentence that an image does not exist',
    async () => {
      const run = await container({ kind: 'lost', script: JOIN })
      await stack.until(run, (report) => said(report).includes('localhost/nobody/knows:1'), MINUTES)
      expect((await stack.gyre('run', 'cancel', run)).code).toBe(0)
      expect((await stack.until(run, over, 30_000)).status).toBe('cancelled')
    },
    2 * MINUTES,
  )

  it(
    'leaves nothing behind when the endpoint is deleted',
    async () => {
      expect(await stack.gyre('endpoint', 'delete', 'parts', '--yes')).toMatchObject({ code: 0 })
      await cluster.until('an empty namespace', async () => (await cluster.pods()).length === 0, 2 * MINUTES)
      for (const kind of ['deployments', 'services', 'jobs', 'poddisruptionbudgets', 'networkpolicies'])
        expect(await cluster.get(kind, '-l', 'app.kubernetes.io/managed-by=gyre')).toEqual([])
    },
    3 * MINUTES,
  )
})

async function runOf(pipeline: string): Promise<RunReport> {
  const runs = await stack.json<{ id: string; pipeline: string }[]>('run', 'list')
  return stack.json<RunReport>('run', 'show', runs.find((run) => run.pipeline === pipeline)!.id)
}

async function anImage(): Promise<Uint8Array> {
  const inClass = path.join(set.source, set.classes[0]!)
  return readFile(path.join(inClass, (await readdir(inClass))[0]!))
}

async function isReady(deployment: string, replicas: number): Promise<boolean> {
  const all = await cluster.get<{ metadata: { name: string }; status: { availableReplicas?: number } }>('deployments')
  const mine = all.find(({ metadata }) => metadata.name === deployment)
  const pods = await cluster.pods('gyre.io/endpoint=parts')
  return (
    mine?.status.availableReplicas === replicas &&
    pods.filter(({ metadata }) => !metadata.deletionTimestamp).length === replicas
  )
}

async function advertiseGpus(count: number): Promise<void> {
  const amount = { 'nvidia.com/gpu': String(count) }
  const patch = JSON.stringify({ status: { capacity: amount, allocatable: amount } })
  const [node] = (await cluster.kubectl('get', 'nodes', '-o', 'name')).trim().split('\n')
  await cluster.kubectl('patch', node!, '--subresource=status', '--type=merge', '-p', patch)
}
