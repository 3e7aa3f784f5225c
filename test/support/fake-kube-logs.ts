/** The container logs of a fake API server: lines with nanosecond stamps, read whole, from a second on, or followed. */

import { Refusal, type Change, type KubeJson } from './fake-kube-objects.ts'

export interface LogOptions {
  /** The Pod's only container where left out. */
  readonly container?: string
  /** RFC 3339 with nanoseconds, for every line; else each line gets the next of a clock of its own. */
  readonly at?: string
}

interface Line {
  readonly stamp: string
  readonly text: string
}

export class FakeLogs {
  readonly #lines = new Map<string, Line[]>()
  readonly #followers = new Set<{ readonly key: string; readonly look: () => void }>()
  readonly #findPod: (namespace: string, pod: string) => KubeJson | null
  #nanos = BigInt(Date.now()) * 1_000_000n

  constructor(findPod: (namespace: string, pod: string) => KubeJson | null) {
    this.#findPod = findPod
  }

  append(namespace: string, pod: string, lines: readonly string[], { container, at }: LogOptions): void {
    const key = `${namespace}/${pod}/${container ?? this.#onlyContainer(namespace, pod)}`
    const written = this.#lines.get(key) ?? []
    for (const text of lines) written.push({ stamp: at ?? this.#nextStamp(), text })
    this.#lines.set(key, written)
    this.#wake(key)
  }

  /** Forgets the oldest lines, as the kubelet does when it rotates a log. */
  rotate(namespace: string, pod: string, container: string, lines: number): void {
    this.#lines.get(`${namespace}/${pod}/${container}`)?.splice(0, lines)
  }

  /** Followers of a container that ended, or whose Pod is gone, come to their end. */
  changed({ collection, object }: Change): void {
    if (!collection.endsWith('/pods')) return
    const { namespace, name } = object['metadata']
    for (const { key, look } of [...this.#followers]) if (key.startsWith(`${namespace}/${name}/`)) look()
  }

  open(namespace: string, pod: string, query: Readonly<Record<string, string>>) {
    const container = query['container'] ?? this.#onlyContainer(namespace, pod)
    const key = `${namespace}/${pod}/${container}`
    if (this.#stateOf(namespace, pod, container) === 'waiting')
      throw new Refusal(
        400,
        'BadRequest',
        `container "${container}" in pod "${pod}" is waiting to start: ContainerCreating`,
      )
    const written = this.#lines.get(key) ?? []
    this.#lines.set(key, written)
    const since = query['sinceTime'] ? new Date(query['sinceTime']).toISOString().slice(0, 19) : ''
    const first = written.findIndex(({ stamp }) => stamp.slice(0, 19) >= since)
    let next = first === -1 ? written.length : first
    if (query['tailLines']) next = Math.max(next, written.length - Number(query['tailLines']))
    const textOf = ({ stamp, text }: Line) => `${query['timestamps'] === 'true' ? `${stamp} ` : ''}${text}\n`
    const drain = (write: (text: string) => void) => {
      for (; next < written.length; next++) write(textOf(written[next]!))
    }
    return {
      follow: (write: (text: string) => void, end: () => void): (() => void) => {
        const look = () => {
          drain(write)
          if (query['follow'] === 'true' && this.#stateOf(namespace, pod, container) === 'running') return
          this.#followers.delete(follower)
          end()
        }
        const follower = { key, look }
        this.#followers.add(follower)
        look()
        return () => this.#followers.delete(follower)
      },
    }
  }

  #wake(key: string): void {
    for (const follower of [...this.#followers]) if (follower.key === key) follower.look()
  }

  #onlyContainer(namespace: string, pod: string): string {
    const containers: KubeJson[] = this.#findPod(namespace, pod)?.['spec']?.containers ?? []
    if (containers.length === 1) return containers[0]!['name']
    const names = containers.map(({ name }) => name).join(' ')
    throw new Refusal(400, 'BadRequest', `a container name must be specified for pod ${pod}, choose one of: [${names}]`)
  }

  #stateOf(namespace: string, pod: string, container: string): 'waiting' | 'running' | 'ended' {
    const status = this.#findPod(namespace, pod)?.['status']
    const statuses: KubeJson[] = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
    const state = statuses.find(({ name }) => name === container)?.['state']
    if (!this.#findPod(namespace, pod) || state?.terminated) return 'ended'
    return state?.running ? 'running' : 'waiting'
  }

  #nextStamp(): string {
    this.#nanos += 1_234_567n
    const whole = new Date(Number(this.#nanos / 1_000_000n)).toISOString().slice(0, 19)
    return `${whole}.${String(this.#nanos % 1_000_000_000n).padStart(9, '0')}Z`
  }
}
