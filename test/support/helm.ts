/** The Helm chart as Helm renders it. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { loadAllYaml } from '@kubernetes/client-node'
import { findTestBinary } from './binaries.ts'

const run = promisify(execFile)

export const CHART = path.resolve(import.meta.dirname, '../../infra/k8s/chart')

export const helm = findTestBinary('helm', {
  override: 'GYRE_TEST_HELM',
  install: 'helm.sh/helm/v3/cmd/helm@v3.19.0',
})

/** `helm` built from source believes in an old cluster where there is none. */
const KUBE_VERSION = '1.34.4'

export type Values = Readonly<Record<string, unknown>>

/** A rendered object, read by path. */
export interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

/** Calls `helm <verb> … <chart> --values <values>`. @throws an error whose `stderr` is what Helm said. */
export async function helmWith(verb: readonly string[], values: Values): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-helm-'))
  try {
    const file = path.join(folder, 'values.json')
    await writeFile(file, JSON.stringify(values))
    const [name, ...rest] = verb
    const { stdout } = await run(helm.path!, [name!, ...rest, CHART, '--values', file], {
      maxBuffer: 64 * 2 ** 20,
      env: { ...process.env, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder },
    })
    return stdout
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** An installation `gyre` in the namespace `gyre`, as YAML. */
export function renderYaml(values: Values): Promise<string> {
  return helmWith(['template', 'gyre', '--namespace', 'gyre', '--kube-version', KUBE_VERSION], values)
}

/** Its objects, with the field names of the client: `from` is `_from`. */
export async function render(values: Values): Promise<readonly Rendered[]> {
  return loadAllYaml(await renderYaml(values)).filter(
    (object: unknown): object is Rendered => object !== null && object !== undefined,
  )
}

/** What Helm says to values that it refuses. */
export async function refusal(values: Values): Promise<string> {
  try {
    await render(values)
  } catch (error) {
    return (error as { stderr: string }).stderr
  }
  throw new Error('the chart takes these values')
}
