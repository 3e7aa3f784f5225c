/** kind, k3d, minikube and kubectl are played by scripts that write down how they were called. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  clusterDown,
  clusterStatus,
  clusterUp,
  forwardHostPorts,
  loadImages,
} from '../../../infra/local/cluster/index.ts'

let folder: string
let state: string
let env: NodeJS.ProcessEnv
let api: http.Server
let said: string[]

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-tools-'))
  state = path.join(folder, 'state')
  mkdirSync(path.join(folder, 'bin'))
  env = { PATH: `${path.join(folder, 'bin')}:/usr/bin:/bin`, CALLS: path.join(folder, 'calls') }
  said = []
  api = http.createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(answerTo(request.url ?? '')))
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  writeFileSync(path.join(folder, 'served.yaml'), kubeconfig((api.address() as AddressInfo).port))
})

afterEach(() => {
  api.closeAllConnections()
  api.close()
  rmSync(folder, { recursive: true, force: true })
})

const NODE = {
  metadata: { name: 'one' },
  status: {
    nodeInfo: { kubeletVersion: 'v1.34.1' },
    conditions: [{ type: 'Ready', status: 'True' }],
    capacity: { cpu: '4', memory: '2048Ki' },
    images: [{ names: ['localhost/there:1'] }],
  },
}
const POD = { metadata: { name: 'a', namespace: 'team' }, status: { phase: 'Running' } }

function answerTo(url: string): unknown {
  if (url.startsWith('/version')) return { gitVersion: 'v1.34.1' }
  return { items: url.endsWith('/nodes') ? [NODE] : [POD, POD] }
}

function kubeconfig(port: number): string {
  return [
    'apiVersion: v1',
    'kind: Config',
    `clusters: [{name: c, cluster: {server: "http://127.0.0.1:${port}"}}]`,
    'users: [{name: u, user: {}}]',
    'contexts: [{name: mine, context: {cluster: c, user: u}}]',
    'current-context: mine',
  ].join('\n')
}

/** A program that notes its name and arguments, then does what `script` says. */
function install(name: string, script = ''): void {
  const file = path.join(folder, 'bin', name)
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >>"$CALLS"\n${script}\n`)
  chmodSync(file, 0o755)
}

const calls = () =>
  existsSync(env['CALLS']!) ? readFileSync(env['CALLS']!, 'utf8').trimEnd().replaceAll(folder, '').split('\n') : []
const name = () => /gyre-[0-9a-f]{8}/.exec(calls().join())![0]
const up = (more: { useCurrentContext?: boolean; hostPorts?: number[] } = {}) =>
  clusterUp({ state, env, say: (line) => said.push(line), ...more })
const serveKubeconfig = () => `cat '${folder}/served.yaml'`

describe('a cluster of an installed tool', () => {
  it('is made by kind, under the name of its state folder, without touching the kubeconfig of the user', async () => {
    install('docker')
    install('kind', `case "$1" in create) ${serveKubeconfig()} >"$6" ;; esac`)
    const cluster = await up()
    expect(cluster).toMatchObject({ kind: 'kind', context: `kind-${name()}`, started: true })
    expect(calls().slice(-1)).toEqual([
      `kind create cluster --name ${name()} --kubeconfig /state/cluster/kubeconfig --wait 180s`,
    ])
    expect(await up()).toMatchObject({ kind: 'kind', started: false })
    expect(await clusterDown(state, env)).toBe('kind')
    expect(calls().at(-1)).toBe(`kind delete cluster --name ${name()} --kubeconfig /state/cluster/kubeconfig`)
    expect(await clusterStatus(state, env)).toBeNull()
  })

  it('is made by k3d, which prints its kubeconfig; that is readable by its owner alone', async () => {
    install('docker')
    install('k3d', `case "$1" in kubeconfig) ${serveKubeconfig()} ;; esac`)
    const { kind, context, kubeconfig } = await up()
    expect({ kind, context }).toEqual({ kind: 'k3d', context: `k3d-${name()}` })
    expect(statSync(kubeconfig).mode & 0o777).toBe(0o600)
  })

  it('is made by minikube, which writes where KUBECONFIG points', async () => {
    install('podman')
    install('minikube', `case "$1" in start) ${serveKubeconfig()} >"$KUBECONFIG" ;; esac`)
    expect(await up()).toMatchObject({ kind: 'minikube', context: name() })
  })

  it('tells its nodes and Pods', async () => {
    install('docker')
    install('kind', `case "$1" in create) ${serveKubeconfig()} >"$6" ;; esac`)
    await up()
    expect(await clusterStatus(state, env)).toMatchObject({
      nodes: [{ name: 'one', version: 'v1.34.1', ready: true, cpus: 4, memoryBytes: 2 * 2 ** 20 }],
      pods: { team: { Running: 2 } },
      hostPorts: [],
      memoryBytes: null,
    })
  })

  it('gets the images that its nodes lack', async () => {
    install('docker')
    install('kind', `case "$1" in create) ${serveKubeconfig()} >"$6" ;; esac`)
    await up()
    const images = ['there:1', 'new:1'].map((image) => ({ name: `localhost/${image}`, tar: `/${image}.tar` }))
    expect(await loadImages(state, images, env)).toEqual(['localhost/new:1'])
    expect(calls().at(-1)).toBe(`kind load image-archive /new:1.tar --name ${name()}`)
  })

  it('that does not start fails with the last words of its tool', async () => {
    install('docker')
    install('kind', 'case "$1" in create) echo "ERROR: no space" >&2; exit 1 ;; esac')
    await expect(up()).rejects.toMatchObject({
      code: 'CLUSTER_START_FAILED',
      message: expect.stringMatching(/^the kind cluster gyre-[0-9a-f]{8} did not start: ERROR: no space$/) as string,
    })
  })

  it('cannot reach the loopback of this machine, and says what to do instead', async () => {
    install('docker')
    install('kind', `case "$1" in create) ${serveKubeconfig()} >"$6" ;; esac`)
    await up()
    await expect(forwardHostPorts(state, [9000], env)).rejects.toThrow(
      'Pods of a cluster of kind kind cannot reach 127.0.0.1:9000; let the server listen where they reach it, and set GYRE_STORE_POD_ENDPOINT to that address',
    )
  })
})

describe('the cluster of the current context', () => {
  it('is used as it is: copied, never changed, and left alone at the end', async () => {
    install('kubectl', `case "$2" in view) ${serveKubeconfig()} ;; current-context) echo mine ;; esac`)
    expect(await up({ useCurrentContext: true })).toMatchObject({ kind: 'context', context: 'mine' })
    await expect(loadImages(state, [{ name: 'localhost/a:1', tar: '/a.tar' }], env)).rejects.toMatchObject({
      code: 'CLUSTER_UNSUPPORTED',
    })
    expect(await clusterDown(state, env)).toBe('context')
    expect([...new Set(calls().map((call) => call.split(' ').slice(0, 3).join(' ')))]).toEqual([
      'kubectl config view',
      'kubectl config current-context',
    ])
  })

  it('that does not answer is refused by name', async () => {
    writeFileSync(path.join(folder, 'served.yaml'), kubeconfig(1))
    install('kubectl', `case "$2" in view) ${serveKubeconfig()} ;; current-context) echo mine ;; esac`)
    await expect(up({ useCurrentContext: true })).rejects.toMatchObject({
      code: 'CLUSTER_UNAVAILABLE',
      message: 'the cluster of the current context mine does not answer; check it with kubectl get nodes',
    })
    expect(await clusterDown(state, env)).toBeNull()
  })

  it('does not take the place of another cluster that is up', async () => {
    install('docker')
    install('kind', `case "$1" in create) ${serveKubeconfig()} >"$6" ;; esac`)
    await up()
    await expect(up({ useCurrentContext: true })).rejects.toMatchObject({ code: 'STATE_IN_USE' })
  })
})

describe('without a container engine', () => {
  it('an installed tool is passed over with a remark', async () => {
    install('docker', 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
    install('podman', 'exit 1')
    install('kind')
    env = { ...env, GYRE_KUBE_BIN: path.join(folder, 'nothing') }
    await expect(up()).rejects.toMatchObject({
      code: expect.stringMatching(/^CLUSTER_(UNSUPPORTED|TOOL_MISSING)$/) as string,
    })
    expect(said).toEqual(['kind is installed, but neither docker nor podman answers'])
    expect(calls().filter((call) => call.startsWith('kind'))).toEqual([])
  })
})
