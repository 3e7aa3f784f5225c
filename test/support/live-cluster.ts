/** A real one-node cluster of the test's own with an S3 server beside it, and the means to disturb both. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import { LiveStack } from './live-stack.ts'
import { minio, startMinio } from './minio.ts'
import type { S3Server } from './s3-server.ts'

const run = promisify(execFile)
const POLL_MS = 200

interface KubeList<T> {
  readonly items: readonly T[]
}

export interface PodSeen {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly labels: Readonly<Record<string, string>>
    readonly deletionTimestamp?: string
  }
  readonly status: { readonly phase: string; readonly podIP?: string }
}

export class LiveCluster {
  private constructor(
    readonly state: string,
    readonly s3: S3Server,
    readonly kubeconfig: string,
    readonly images: { readonly worker: string; readonly inference: string },
    /** What a stack needs to work on this cluster. */
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** `gyre cluster up` on the state folder `<folder>/cluster`, with images, beside a new MinIO with an empty bucket. */
  static async start(folder: string): Promise<LiveCluster> {
    const s3 = await startMinio(minio.path!)
    const bucket = await s3.createBucket('gyre')
    const state = path.join(folder, 'state')
    const up = await new LiveStack(state).json<{ kubeconfig: string }>(
      ...['cluster', 'up', '--own', '--host-port', new URL(s3.endpoint).port],
    )
    const images = JSON.parse(
      await readFile(path.join(state, 'cluster', 'images.json'), 'utf8'),
    ) as LiveCluster['images']
    const env = { GYRE_STORE: `${bucket}/test`, GYRE_COMPUTE: 'kubernetes', GYRE_SERVICES: 'kubernetes' }
    return new LiveCluster(state, s3, up.kubeconfig, images, env)
  }

  async stop(): Promise<void> {
    await new LiveStack(this.state).gyre('cluster', 'down')
    await this.s3.stop()
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('kubectl', [...args], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  }

  async apply(object: object): Promise<void> {
    const child = run('kubectl', ['apply', '-f', '-'], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
      maxBuffer: 64 * 1024 * 1024,
    })
    child.child.stdin!.end(JSON.stringify(object))
    await child
  }

  async get<T>(...args: readonly string[]): Promise<readonly T[]> {
    return (JSON.parse(await this.kubectl('get', ...args, '-n', 'gyre', '-o', 'json')) as KubeList<T>).items
  }

  pods(selector = 'app.kubernetes.io/managed-by=gyre'): Promise<readonly PodSeen[]> {
    return this.get<PodSeen>('pods', '-l', selector)
  }

  /** Polls until `look` gives something. @throws after `timeoutMs`, with the Pods there were. */
  async until<T>(what: string, look: () => Promise<T | null | undefined | false>, timeoutMs = 60_000): Promise<T> {
    const deadline = Date.now() + timeoutMs
    while (Date.now() < deadline) {
      const found = await look()
      if (found) return found
      await delay(POLL_MS)
    }
    throw new Error(
      `${what} did not come within ${timeoutMs / 1_000} s; Pods: ${await this.kubectl('get', 'pods', '-A')}`,
    )
  }

  /** The one running Pod of a job, by the beginning of the command that it was given. */
  runningJobPod(): Promise<PodSeen> {
    return this.until('a running Pod of a job', async () =>
      (await this.pods('gyre.io/job')).find(
        ({ status, metadata }) => status.phase === 'Running' && !metadata.deletionTimestamp,
      ),
    )
  }

  /** Kills the API server; it comes back by itself. */
  async restartApiServer(): Promise<void> {
    const script = path.resolve('infra/local/cluster/node/restart.sh')
    await run('bash', [script, 'kube-apiserver', 'KILL', '2'], {
      env: { ...process.env, KUBE_STATE: path.join(this.state, 'cluster') },
    })
  }

  /** Through the Eviction API. @returns false where the budget does not allow it now. */
  async evict(pod: string): Promise<boolean> {
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod, namespace: 'gyre' },
    }
    const child = run('kubectl', ['create', '--raw', `/api/v1/namespaces/gyre/pods/${pod}/eviction`, '-f', '-'], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
    })
    child.child.stdin!.end(JSON.stringify(eviction))
    return child.then(
      () => true,
      (error: { stderr?: string }) => {
        if (String(error.stderr).includes('disruption budget')) return false
        throw error
      },
    )
  }
}
