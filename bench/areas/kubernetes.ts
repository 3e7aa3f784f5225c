/** Jobs and endpoints on a real one-node cluster of the benchmark's own, beside a real S3 server. */

import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { createKubernetesJobRunner, openCluster } from '#adapter/compute/kubernetes/index'
import { createLogger } from '#core/log'
import type { RunReport } from '#core/runs'
import { openStore } from '#core/storage'
import { LiveCluster } from '../../test/support/live-cluster.ts'
import { LiveStack } from '../../test/support/live-stack.ts'
import { openLoad } from '../../test/support/open-load.ts'
import { surfaceSet } from '../../test/support/surface-set.ts'
import { machine, median, round, type BenchReport } from '../report.ts'

const JOBS = 5
/** What each job does: sleep for so long. */
const WORK_SECONDS = 1
const WATCHED_JOBS = 1_000
const PER_SECOND = 50
const OVER = ['completed', 'failed', 'cancelled']

type Say = (line: string) => void

export const kubernetes = {
  says: 'what a job, a roll-out and a move back cost on a cluster, and how many requests they lose',
  async run({ say }: { say: Say }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-kubernetes-'))
    say('starting a cluster')
    const cluster = await LiveCluster.start(folder)
    try {
      const stack = new LiveStack(cluster.state, cluster.env)
      await stack.start()
      try {
        const overhead = await jobOverhead(cluster, say)
        const serving = await serve(stack, folder, say)
        const watching = await watchMemory(cluster, say)
        const row = (name: string, unit: string, value: number, note: string) =>
          ({ name, unit, value: round(value), better: 'lower', peers: {}, note }) as const
        return {
          area: 'kubernetes',
          machine: machine(),
          rows: [
            row('job-overhead-s', 's', overhead, `create to harvested, without the work itself; median of ${JOBS}`),
            row('deploy-to-first-200-s', 's', serving.deploySeconds, '2 replicas and the first gateway'),
            row('rollback-s', 's', serving.rollbackSeconds, 'to the former revision, still warm'),
            row(
              'failed-requests-in-rollout',
              '',
              serving.failed,
              `of ${serving.sent}, ${PER_SECOND} a second, open loop`,
            ),
            row('watch-memory-mib', 'MiB', watching, `whole process that watches ${WATCHED_JOBS} Jobs`),
          ],
        }
      } finally {
        await stack.stop()
      }
    } finally {
      await cluster.stop()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function jobOverhead(cluster: LiveCluster, say: Say): Promise<number> {
  const objects = await openStore(cluster.env['GYRE_STORE']!, {})
  const settings = await openCluster({
    kubeconfig: cluster.kubeconfig,
    namespace: 'gyre',
    images: cluster.images,
    storeSecret: 'gyre-store',
    queueName: null,
    store: { uri: objects.uri, project: 'default' },
    storeEndpoint: `http://host.gyre.internal:${new URL(cluster.s3.endpoint).port}`,
    region: 'us-east-1',
  })
  const runner = createKubernetesJobRunner({ ...settings, objects, log: createLogger('bench') })
  const seconds: number[] = []
  for (let n = 0; n < JOBS; n++) {
    say(`job ${n + 1} of ${JOBS}`)
    const name = `bench-${n}`
    const began = performance.now()
    await runner.start({
      name,
      command: ['node', '-e', `setTimeout(() => {}, ${WORK_SECONDS * 1_000})`],
      image: cluster.images.worker,
      env: {},
      resources: { cpu: '100m' },
      timeoutMs: 120_000,
      graceMs: 1_000,
    })
    const outcome = await runner.wait(name, {})
    seconds.push((performance.now() - began) / 1_000 - WORK_SECONDS)
    if (outcome.kind !== 'succeeded') throw new Error(`${name} ended as ${JSON.stringify(outcome)}`)
    await runner.remove(name)
  }
  runner.stop()
  return median(seconds)
}

interface Serving {
  readonly deploySeconds: number
  readonly rollbackSeconds: number
  readonly sent: number
  readonly failed: number
}

async function serve(stack: LiveStack, folder: string, say: Say): Promise<Serving> {
  say('a model, and its first roll-out')
  const set = await surfaceSet(folder, 240)
  const started = await stack.request('POST', '/api/pipelines/image-classifier/runs', {
    params: {
      ...{ dataset: 'parts', source: set.source, classes: set.classes, annotator: 'simulated', oracle: set.oracle },
      ...{ targetAccuracy: 0.9, minGain: -1 },
    },
  })
  const { id } = (await started.json()) as { id: string }
  const report = await stack.until(id, ({ status }) => OVER.includes(status), 600_000)
  const step = (name: string) => report.steps.find((candidate) => candidate.id === name)!
  const [first] = await readdir(path.join(set.source, set.classes[0]!))
  const image = await readFile(path.join(set.source, set.classes[0]!, first!))
  const { url } = step('deploy').outputs as { url: string }

  say('a second roll-out and back, under load')
  const load = openLoad(`${url}/v2/models/parts/infer`, image, PER_SECOND)
  await stack.json('endpoint', 'rollout', 'parts', 'parts@1', '--replicas', '1')
  const began = performance.now()
  await stack.json('endpoint', 'back', 'parts')
  const rollbackSeconds = (performance.now() - began) / 1_000
  const { sent, failed } = await load.stop()
  for (const line of failed.slice(0, 5)) say(line)
  return { deploySeconds: deploySeconds(report), rollbackSeconds, sent, failed: failed.length }
}

function deploySeconds({ steps }: RunReport): number {
  const deploy = steps.find(({ id }) => id === 'deploy')!
  const prove = steps.find(({ id }) => id === 'prove')!.outputs as { firstAnswerMs: number }
  return (Date.parse(deploy.endedAt!) - Date.parse(deploy.startedAt!) + prove.firstAnswerMs) / 1_000
}

/** Resident memory of a fresh process that watches many Jobs, which are suspended and so cost the cluster nothing. */
async function watchMemory(cluster: LiveCluster, say: Say): Promise<number> {
  say(`${WATCHED_JOBS} Jobs to watch`)
  const jobs = Array.from({ length: WATCHED_JOBS }, (_, n) => suspendedJob(n, cluster.images.worker))
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: jobs })
  // Compiled, as a worker is: a loader of TypeScript would count too.
  const script = path.resolve('.gyre/bench-watch-jobs.mjs')
  await build({
    entryPoints: ['bench/watch-jobs.ts'],
    outfile: script,
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'warning' },
  })
  const child = spawn(process.execPath, [script, cluster.kubeconfig, String(WATCHED_JOBS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const mebibytes = await new Promise<number>((resolve) => lines.once('line', (line) => resolve(Number(line))))
  child.kill()
  return mebibytes
}

function suspendedJob(n: number, image: string): object {
  const container = { name: 'job', image, command: ['node', '-e', ''] }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `watched-${n}`,
      namespace: 'gyre',
      labels: { 'app.kubernetes.io/managed-by': 'gyre', 'gyre.io/job': `watched-${n}` },
    },
    spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  }
}
