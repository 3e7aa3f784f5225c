import { setTimeout as delay } from 'node:timers/promises'
import { createKubernetesServiceHost } from '#adapter/compute/kubernetes/services'
import { createFakeServiceHost, createProcessServiceHost } from '#core/compute'
import { encodePixels } from '#core/images'
import { numberModel } from '#core/registry'
import type { TrainedModel } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { startFakeKube } from '../support/fake-kube.ts'
import { startGateway, temporaryStore } from '../support/gateway.ts'
import { clusterOf, playEndpoints } from '../support/played-endpoints.ts'
import { registerTiny, solidPixels } from '../support/tiny-model.ts'
import { serviceHostContract } from './service-host.ts'

const letters = (letter: string) => letter.repeat(64)

serviceHostContract('in memory', async () => {
  const host = createFakeServiceHost({ unusableModels: new Set([letters('c')]) })
  return {
    host,
    models: {
      first: { name: 'm', version: 1, digest: letters('a') },
      second: { name: 'm', version: 2, digest: letters('b') },
      unusable: { name: 'm', version: 3, digest: letters('c') },
    },
    answers: (endpoint, count) => Promise.resolve(Array.from({ length: count }, () => host.route(endpoint))),
    until: async (holds) => {
      if (!(await holds())) throw new Error('the twin is never late')
    },
    close: () => Promise.resolve(),
  }
})

/** Stored as if it had been registered: its file is no model. */
async function registerDamaged(store: ObjectStore, like: TrainedModel) {
  const onnx = { sha256: letters('d'), sizeBytes: 3 }
  await store.create(`blobs/sha256/dd/${onnx.sha256}`, Buffer.from('bad'))
  const model = { ...like, onnx, digest: letters('e') }
  const { record } = await registerTiny(store, {})
  const { version } = await numberModel(store, 'm', { ...record, digest: model.digest, model })
  return { name: 'm', version, digest: model.digest }
}

serviceHostContract('replica processes behind a gateway', async () => {
  const { directory, store, remove } = await temporaryStore()
  const first = await registerTiny(store, { sharpness: 0.1 })
  const second = await registerTiny(store, { sharpness: 0.2 })
  const unusable = await registerDamaged(store, first.record.model)
  const gateway = await startGateway(directory)
  const image = await encodePixels(solidPixels([9, 0, 0]), { height: 4, width: 4 })
  return {
    host: createProcessServiceHost({ store, gatewayUrl: gateway.url }),
    models: { first: first.model, second: second.model, unusable },
    answers: (endpoint, count) => answers(gateway.url, endpoint, count, image),
    until: async (holds) => {
      while (!(await holds())) await delay(20)
    },
    async close() {
      await gateway.stop()
      await remove()
    },
  }
})

serviceHostContract('Deployments on a cluster that is played', async () => {
  const kube = await startFakeKube()
  const store = createMemoryStore('played')
  const models = {
    first: { name: 'm', version: 1, digest: letters('a') },
    second: { name: 'm', version: 2, digest: letters('b') },
    unusable: { name: 'm', version: 3, digest: letters('c') },
  }
  const played = await playEndpoints(kube, store, models.unusable.digest)
  const host = createKubernetesServiceHost(clusterOf(kube, store))
  return {
    host,
    models,
    answers: (endpoint, count) => answers(played.url, endpoint, count, new Uint8Array([1])),
    until: async (holds) => {
      while (!(await holds())) await delay(5)
    },
    async close() {
      await played.close()
      await kube.stop()
    },
  }
})

/** The revision that answered each of so many requests. */
async function answers(url: string, endpoint: string, count: number, body: Uint8Array): Promise<number[]> {
  const revisions: number[] = []
  for (let i = 0; i < count; i++) {
    const response = await fetch(`${url}/v2/models/${endpoint}/infer`, {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
    })
    revisions.push(Number(((await response.json()) as { model_version: string }).model_version))
  }
  return revisions
}
