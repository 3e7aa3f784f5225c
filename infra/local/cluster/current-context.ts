/** The cluster that the user's kubeconfig points to: used as it is, never changed. */
import { PlatformError } from '#core/errors'
import { answers } from './cluster-facts.ts'
import type { ClusterFolder } from './cluster-folder.ts'
import { findProgram, run } from './commands.ts'

export class CurrentContext {
  constructor(
    private readonly folder: ClusterFolder,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  async context(): Promise<string> {
    return (await this.#kubectl('config', 'current-context', '--kubeconfig', this.folder.kubeconfig)).trim()
  }

  isUp(): Promise<boolean> {
    return answers(this.folder.kubeconfig)
  }

  /**
   * Copies the context of the moment, so that a later `kubectl config use-context` moves nothing here.
   *
   * @throws {PlatformError} `CLUSTER_UNAVAILABLE` when there is none, or its server does not answer.
   */
  async start(): Promise<void> {
    this.folder.write('kubeconfig', await this.#kubectl('config', 'view', '--minify', '--flatten', '--raw'))
    if (await this.isUp()) return
    const message = `the cluster of the current context ${await this.context()} does not answer; check it with kubectl get nodes`
    this.folder.remove('cluster.json', 'kubeconfig')
    throw new PlatformError('CLUSTER_UNAVAILABLE', message)
  }

  async stop(): Promise<void> {
    // It was there before.
  }

  async images(): Promise<ReadonlySet<string>> {
    return new Set()
  }

  /** @throws {PlatformError} `CLUSTER_UNSUPPORTED`: where the nodes are is not known here. */
  async load(tar: string): Promise<never> {
    const message = `${tar} cannot be put on the nodes of a cluster that was there before; push it to a registry that they pull from, and set GYRE_IMAGE_WORKER and GYRE_IMAGE_INFERENCE`
    throw new PlatformError('CLUSTER_UNSUPPORTED', message, { tar })
  }

  async #kubectl(...args: string[]): Promise<string> {
    const kubectl = await findProgram('kubectl', this.env)
    if (kubectl === null) {
      const message =
        'kubectl is not installed; it reads the current context; install it from https://kubernetes.io/docs/tasks/tools'
      throw new PlatformError('CLUSTER_TOOL_MISSING', message)
    }
    const { ok, stdout, why } = await run(kubectl, args, { env: this.env })
    if (ok) return stdout
    throw new PlatformError(
      'CLUSTER_UNAVAILABLE',
      `the kubeconfig has no usable current context (${why}); choose one with kubectl config use-context`,
    )
  }
}
