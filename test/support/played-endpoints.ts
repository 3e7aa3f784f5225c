/**
 * Endpoints on the fake Kubernetes API server: plays the Deployment controller and the kubelet (a server per revision that
 * names itself in its answers), and runs the real gateway in front, in this process.
 */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubernetesServiceSettings } from '#adapter/compute/kubernetes/services'
import { silentLogger } from '#core/log'
import { readRevision, type RevisionRecord } from '#core/serving'
import type { ObjectStore } from '#core/storage'
import { Fleet } from '../../apps/gateway/fleet.ts'
import { GatewayMetrics } from '../../apps/gateway/metrics.ts'
import { Proxy } from '../../apps/gateway/proxy.ts'
import { RemoteRevision } from '../../apps/gateway/remote-revision.ts'
import { createRouter } from '../../apps/gateway/router.ts'
import type { FakeKube, KubeJson } from './fake-kube.ts'

export interface PlayedEndpoints {
  /** Where the gateway answers. */
  readonly url: string
  close(): Promise<void>
}

/** Settings of an installation on that cluster. */
export function clusterOf(kube: FakeKube, objects: ObjectStore): KubernetesServiceSettings {
  return {
    api: kube.api,
    images: { worker: 'registry.test/worker:1', inference: 'registry.test/inference:1' },
    storeSecret: 'gyre-store',
    podEnv: { AWS_ENDPOINT_URL_S3: 'http://s3.test:9000' },
    store: { uri: 's3://bucket/prefix', project: 'default' },
    queueName: null,
    objects,
    log: silentLogger(),
    gatewayLagMs: 0,
  }
}

/** @param unusable - digest of a model whose replicas end at once. */
export async function playEndpoints(kube: FakeKube, store: ObjectStore, unusable: string): Promise<PlayedEndpoints> {
  const log = silentLogger()
  const replicas = new Map<string, { readonly server: Server; readonly url: string }>()
  const urlOf = ({ endpoint, revision }: RevisionRecord) => {
    // Port 9 is nobody's: a Service without Pods refuses.
    return replicas.get(`${endpoint}-r${revision}`)?.url ?? 'http://127.0.0.1:9'
  }
  const fleet = new Fleet({
    store,
    log,
    warmMs: null,
    start: (record, onChange) => [new RemoteRevision({ url: urlOf(record), log, onChange })],
  })
  const metrics = new GatewayMetrics(fleet)
  const proxy = new Proxy(fleet, metrics)
  const gateway = await listening(
    createServer(createRouter({ fleet, metrics, proxy, isDraining: () => false, isAlone: false })),
  )

  const bringUp = async (deployment: KubeJson) => {
    const { name, labels } = deployment['metadata']
    const wanted: number = deployment['spec'].replicas
    if (name === 'gyre-gateway') {
      putPod(kube, deployment, 0, { ready: true, port: gateway.port })
      return kube.setStatus('deployments', name, { readyReplicas: 1 })
    }
    const record = await readRevision(store, labels['gyre.io/endpoint'], Number(labels['gyre.io/revision']))
    if (record.model.digest === unusable) return putPod(kube, deployment, 0, { ready: false, lastWords: FATAL })
    replicas.set(name, await listening(replica(record)))
    for (let i = 0; i < wanted; i++) putPod(kube, deployment, i, { ready: true })
    return kube.setStatus('deployments', name, { readyReplicas: wanted })
  }
  const starts = kube.on('ADDED', 'deployments', ({ object }) => void bringUp(object))
  const ends = kube.on('DELETED', 'deployments', ({ object }) => {
    const { name } = object['metadata']
    replicas.get(name)?.server.closeAllConnections()
    replicas.get(name)?.server.close()
    replicas.delete(name)
  })
  return {
    url: gateway.url,
    close: async () => {
      starts()
      ends()
      await fleet.close()
      for (const { server } of [gateway, ...replicas.values()]) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}

const FATAL =
  '{"level":50,"msg":"the replica cannot start"}\n{"fatal":"the model is damaged","code":"OBJECT_CORRUPT"}\n'

/** A replica that answers any infer call with its own revision. */
function replica({ revision }: RevisionRecord): Server {
  return createServer((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ model_version: String(revision) }))
  })
}

function putPod(
  kube: FakeKube,
  deployment: KubeJson,
  index: number,
  { ready, port, lastWords }: { ready: boolean; port?: number; lastWords?: string },
): void {
  const { name, uid } = deployment['metadata']
  const { template } = deployment['spec']
  const [container] = template.spec.containers
  kube.put('pods', {
    metadata: {
      name: `${name}-${index}`,
      labels: template.metadata.labels,
      ownerReferences: [{ kind: 'Deployment', name, uid }],
    },
    spec: { containers: [{ ...container, ...(port && { ports: [{ containerPort: port }] }) }] },
  })
  const ended = { terminated: { exitCode: 1, reason: 'Error', message: lastWords } }
  kube.setStatus('pods', `${name}-${index}`, {
    phase: 'Running',
    podIP: '127.0.0.1',
    containerStatuses: [
      {
        name: container.name,
        ready,
        restartCount: ready ? 0 : 1,
        ...(ready ? {} : { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: ended }),
      },
    ],
  })
}

async function listening(server: Server): Promise<{ server: Server; url: string; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}`, port }
}
