/** Clusters made by kind, k3d or minikube, where one of them is installed and a container engine answers. */
import { PlatformError } from '#core/errors'
import { answers, imagesOfNodes } from './cluster-facts.ts'
import type { ClusterFolder } from './cluster-folder.ts'
import { findProgram, run, type Outcome } from './commands.ts'

export type ToolName = 'kind' | 'k3d' | 'minikube'

/** Arguments of each tool; `kubeconfig` is the file that it is told to write, and nothing else of the user's is touched. */
interface Tool {
  create(cluster: string, kubeconfig: string): readonly string[]
  /** Prints the kubeconfig, where creating does not write it. */
  readonly kubeconfig?: (cluster: string) => readonly string[]
  load(cluster: string, tar: string): readonly string[]
  delete(cluster: string, kubeconfig: string): readonly string[]
  context(cluster: string): string
}

const TOOLS: Readonly<Record<ToolName, Tool>> = {
  kind: {
    create: (cluster, kubeconfig) => [
      'create',
      'cluster',
      '--name',
      cluster,
      '--kubeconfig',
      kubeconfig,
      '--wait',
      '180s',
    ],
    load: (cluster, tar) => ['load', 'image-archive', tar, '--name', cluster],
    delete: (cluster, kubeconfig) => ['delete', 'cluster', '--name', cluster, '--kubeconfig', kubeconfig],
    context: (cluster) => `kind-${cluster}`,
  },
  k3d: {
    create: (cluster) => ['cluster', 'create', cluster, '--wait', '--kubeconfig-update-default=false'],
    kubeconfig: (cluster) => ['kubeconfig', 'get', cluster],
    load: (cluster, tar) => ['image', 'import', tar, '--cluster', cluster],
    delete: (cluster) => ['cluster', 'delete', cluster],
    context: (cluster) => `k3d-${cluster}`,
  },
  minikube: {
    create: (cluster) => ['start', '--profile', cluster, '--wait', 'all'],
    load: (cluster, tar) => ['image', 'load', tar, '--profile', cluster],
    delete: (cluster) => ['delete', '--profile', cluster],
    context: (cluster) => cluster,
  },
}

/** The first tool that is installed where a container engine answers; null where there is none. */
export async function findTool(say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<ToolName | null> {
  for (const name of Object.keys(TOOLS) as ToolName[]) {
    if (!(await findProgram(name, env))) continue
    if (await engineAnswers(env)) return name
    say(`${name} is installed, but neither docker nor podman answers`)
  }
  return null
}

async function engineAnswers(env: NodeJS.ProcessEnv): Promise<boolean> {
  for (const engine of ['docker', 'podman'])
    if ((await findProgram(engine, env)) && (await run(engine, ['info'], { env, timeoutMs: 10_000 })).ok) return true
  return false
}

/** The cluster of one tool for one state folder. */
export class ToolCluster {
  readonly #name: string
  readonly #tool: Tool

  constructor(
    private readonly folder: ClusterFolder,
    private readonly kind: ToolName,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.#name = folder.clusterName
    this.#tool = TOOLS[kind]
  }

  async context(): Promise<string> {
    return this.#tool.context(this.#name)
  }

  isUp(): Promise<boolean> {
    return answers(this.folder.kubeconfig)
  }

  /** @throws {PlatformError} `CLUSTER_START_FAILED` with the tool's last words. */
  async start(say: (line: string) => void): Promise<void> {
    if (await this.isUp()) return
    const { kubeconfig } = this.folder
    await this.#run(this.#tool.delete(this.#name, kubeconfig)) // One of that name that does not answer.
    say(`${this.kind} makes the cluster ${this.#name}`)
    const created = await this.#run(this.#tool.create(this.#name, kubeconfig))
    if (!created.ok) throw this.#failed('CLUSTER_START_FAILED', 'did not start', created)
    if (!this.#tool.kubeconfig) return
    const printed = await this.#run(this.#tool.kubeconfig(this.#name))
    if (!printed.ok) throw this.#failed('CLUSTER_START_FAILED', 'gave no kubeconfig', printed)
    this.folder.write('kubeconfig', printed.stdout)
  }

  async stop(): Promise<void> {
    const outcome = await this.#run(this.#tool.delete(this.#name, this.folder.kubeconfig))
    if (!outcome.ok) throw this.#failed('CLUSTER_STOP_FAILED', 'could not be deleted', outcome)
  }

  images(): Promise<ReadonlySet<string>> {
    return imagesOfNodes(this.folder.kubeconfig)
  }

  async load(tar: string): Promise<void> {
    const outcome = await this.#run(this.#tool.load(this.#name, tar))
    if (!outcome.ok) throw this.#failed('CLUSTER_IMAGE_REFUSED', `did not take the image ${tar}`, outcome)
  }

  #run(args: readonly string[]): Promise<Outcome> {
    // minikube writes to the file that KUBECONFIG names.
    return run(this.kind, args, { env: { ...this.env, KUBECONFIG: this.folder.kubeconfig } })
  }

  #failed(
    code: 'CLUSTER_START_FAILED' | 'CLUSTER_STOP_FAILED' | 'CLUSTER_IMAGE_REFUSED',
    what: string,
    { why }: Outcome,
  ): PlatformError {
    return new PlatformError(code, `the ${this.kind} cluster ${this.#name} ${what}: ${why}`, { cluster: this.#name })
  }
}
