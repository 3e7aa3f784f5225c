import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { kubeFolder, requireKube } from '../../../infra/local/cluster/kube-binary.ts'
import { findLack } from '../../../infra/local/cluster/preconditions.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-kube-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Programs that tell this version of Kubernetes. */
function installKube(where: string, version: string): void {
  mkdirSync(where, { recursive: true })
  for (const name of ['kube', 'pause', 'kubectl']) {
    writeFileSync(path.join(where, name), `#!/bin/sh\necho '{"clientVersion": {"gitVersion": "${version}"}}'\n`)
    chmodSync(path.join(where, name), 0o755)
  }
}

const isRoot = process.platform === 'linux' && process.getuid?.() === 0
const said: string[] = []
const require = (env: NodeJS.ProcessEnv) => requireKube((line) => said.push(line), { PATH: folder, ...env })

describe('a node of our own', () => {
  it.runIf(isRoot)('names what is not installed, with the line that installs it', async () => {
    const lack = await findLack({ PATH: folder }, { mayBuild: true })
    expect(lack?.code).toBe('CLUSTER_TOOL_MISSING')
    expect(lack?.message).toMatch(
      /^a cluster of our own needs containerd, .*not installed here; install what is missing$/,
    )
    expect(lack?.details['command']).toMatch(/^apt-get install -y --no-install-recommends containerd /)
  })

  it.runIf(!isRoot)('needs Linux and root, and names the other ways', async () => {
    const lack = await findLack({ PATH: folder }, { mayBuild: true })
    expect(lack?.code).toBe('CLUSTER_UNSUPPORTED')
    expect(lack?.message).toMatch(/needs (Linux|root).*install kind with a container engine.*--use-current-context$/)
  })

  it('takes its programs from the cache, without a word', async () => {
    const env = { XDG_CACHE_HOME: path.join(folder, 'cache') }
    installKube(path.join(folder, 'cache/gyre/kube/bin'), 'v1.34.4')
    expect(await require(env)).toBe(kubeFolder(env))
    expect(said).toEqual([])
  })

  it('takes them from where GYRE_KUBE_BIN points, and refuses another version there', async () => {
    installKube(folder, 'v1.34.4')
    expect(await require({ GYRE_KUBE_BIN: folder })).toBe(folder)
    installKube(folder, 'v1.30.0')
    await expect(require({ GYRE_KUBE_BIN: folder })).rejects.toMatchObject({
      code: 'CLUSTER_TOOL_MISSING',
      message: `${folder} holds Kubernetes v1.30.0, where GYRE_KUBE_BIN points; leave the variable out, or name a folder with v1.34.4`,
    })
  })

  it('says where Go comes from, where nothing is built and nothing can build', async () => {
    const cache = path.join(folder, 'cache')
    await expect(require({ XDG_CACHE_HOME: cache })).rejects.toMatchObject({
      code: 'CLUSTER_TOOL_MISSING',
      message: `there is no Kubernetes in ${cache}/gyre/kube/bin, and no Go to build it; install Go from https://go.dev/dl`,
    })
  })
})
