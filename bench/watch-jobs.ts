/** Watches the Jobs of a cluster as a worker does, and tells how much memory that takes. Arguments: kubeconfig, Jobs there. */

import { setTimeout as delay } from 'node:timers/promises'
import { keepOfJob, openKube, watchObjects } from '#adapter/compute/kubernetes/index'

const [kubeconfig = '', expected = '0'] = process.argv.slice(2)
const api = await openKube({ kubeconfig, namespace: 'gyre' })
const watch = watchObjects({
  api,
  path: '/apis/batch/v1/namespaces/gyre/jobs',
  labelSelector: 'app.kubernetes.io/managed-by=gyre',
  keep: keepOfJob,
})
await watch.synced
while (watch.values().length < Number(expected)) await delay(100)
await delay(2_000) // What the lists left behind is collected.
process.stdout.write(`${process.memoryUsage().rss / 2 ** 20}\n`)
await delay(60_000)
