/**
 * Plays the Job controller and one node over a fake API server: the command of a Pod really runs, as a child process under
 * the real supervisor. Failed Pods are replaced at once, by the Job's own rules.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { FakeKube, KubeJson } from './fake-kube.ts'
import { jobStatus } from './fake-kube-status.ts'

export interface FakeKubelet {
  /** Pods that were started so far. */
  readonly started: readonly string[]
  /** Ends what runs, and plays no longer. */
  stop(): Promise<void>
}

export async function playKubelet(kube: FakeKube, supervisor: string): Promise<FakeKubelet> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gyre-kubelet-'))
  const node = new Node(kube, supervisor, folder)
  const ends = [
    kube.on('ADDED', 'jobs', ({ object }) => void kube.podOf(object['metadata'].name)),
    kube.on('ADDED', 'pods', ({ object }) => node.run(object)),
    kube.on('MODIFIED', 'pods', ({ object }) => object['metadata'].deletionTimestamp && node.end(object)),
  ]
  return {
    started: node.started,
    async stop() {
      for (const end of ends) end()
      await node.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

class Node {
  readonly started: string[] = []
  readonly #running = new Map<string, ChildProcess>()
  readonly #letGo: (pod: string) => void
  #isStopped = false

  constructor(
    readonly kube: FakeKube,
    readonly supervisor: string,
    readonly folder: string,
  ) {
    const letGo = kube.holdDeletions('pods')
    this.#letGo = (pod) => void (kube.find('pods', pod) && letGo(pod))
  }

  async run(pod: KubeJson): Promise<void> {
    const name: string = pod['metadata'].name
    const job: string = pod['metadata'].labels['job-name']
    const secret = await this.#secretOf(job, name)
    if (!secret) return
    const child = await this.#spawn(name, pod['spec'].containers[0], secret)
    if (!this.kube.find('pods', name)) return void child.kill('SIGKILL') // Deleted meanwhile.
    this.started.push(name)
    this.#running.set(name, child)
    this.kube.runPod(name)
    const said: string[] = []
    createInterface({ input: child.stdout! }).on('line', (line) => {
      said.push(line)
      this.kube.log(name, line)
    })
    const deadline = this.#deadline(job, child)
    child.once('close', (code, signal) => {
      clearTimeout(deadline.timer)
      this.#running.delete(name)
      if (!this.#isStopped) this.#ended(job, name, code ?? (signal === 'SIGKILL' ? 137 : 143), said, deadline.isOver())
    })
  }

  /** As a kubelet does for a Pod that was deleted. */
  end(pod: KubeJson): void {
    const { name } = pod['metadata']
    const child = this.#running.get(name)
    if (child) child.kill('SIGTERM')
    else this.#letGo(name)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const gone = [...this.#running.values()].map((child) => {
      const closed = new Promise((resolve) => child.once('close', resolve))
      process.kill(-child.pid!, 'SIGKILL')
      return closed
    })
    await Promise.all(gone)
  }

  /** A kubelet waits for the Secret that a Pod mounts. */
  async #secretOf(job: string, pod: string): Promise<KubeJson | null> {
    for (;;) {
      const found = this.kube.find('secrets', job)
      if (found || !this.kube.find('pods', pod)) return found
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #spawn(pod: string, container: KubeJson, secret: KubeJson): Promise<ChildProcess> {
    const home = path.join(this.folder, pod)
    await mkdir(home, { recursive: true })
    const plan = JSON.parse(secret['stringData']['plan.json']) as KubeJson
    const folders = { inputDir: path.join(home, 'in'), outputDir: path.join(home, 'out') }
    const planFile = path.join(home, 'plan.json')
    const checkpoint = plan['checkpoint'] && { ...plan['checkpoint'], dir: path.join(home, 'checkpoints') }
    await writeFile(planFile, JSON.stringify({ ...plan, ...folders, ...(checkpoint && { checkpoint }) }))
    const env = Object.fromEntries(
      (container['env'] as KubeJson[]).map(({ name, value, valueFrom }) => [
        name,
        value ?? secret['stringData'][valueFrom.secretKeyRef.key],
      ]),
    ) as Record<string, string>
    const of = { PATH: process.env.PATH, HOME: home, HOSTNAME: pod, GYRE_SUPERVISOR_PLAN: planFile }
    return spawn(this.supervisor, (container['command'] as string[]).slice(1), {
      env: { ...env, ...of },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
  }

  #deadline(job: string, child: ChildProcess): { readonly timer: NodeJS.Timeout; isOver(): boolean } {
    let over = false
    const timer = setTimeout(
      () => {
        over = true
        child.kill('SIGTERM')
      },
      this.kube.get('jobs', job)['spec'].activeDeadlineSeconds * 1_000,
    )
    return { timer, isOver: () => over }
  }

  #ended(job: string, pod: string, exitCode: number, said: readonly string[], isLate: boolean): void {
    const found = this.kube.find('pods', pod)
    if (!found) return
    this.kube.endPod(pod, { exitCode, message: said.slice(-80).join('\n') })
    if (found['metadata'].deletionTimestamp) this.#letGo(pod)
    const object = this.kube.find('jobs', job)
    if (!object || object['metadata'].deletionTimestamp) return
    const next = isLate ? 'DeadlineExceeded' : this.#verdict(object, this.kube.find('pods', pod) ?? found, exitCode)
    if (next === 'replace') return void this.kube.podOf(job)
    const jobMessage = `Container job for pod gyre/${pod} failed with exit code ${exitCode} matching FailJob rule at index 2`
    const ending = next === 'Complete' ? {} : { exitCode: exitCode || 1, jobReason: next, jobMessage }
    this.kube.setStatus('jobs', job, jobStatus(this.kube.get('jobs', job), ending))
  }

  /** What the Job controller makes of a Pod that ended. */
  #verdict(job: KubeJson, pod: KubeJson, exitCode: number): 'replace' | 'Complete' | string {
    if (exitCode === 0) return 'Complete'
    for (const { action, onPodConditions, onExitCodes } of job['spec'].podFailurePolicy.rules as KubeJson[]) {
      const isDisrupted =
        onPodConditions && pod['status'].conditions?.some((it: KubeJson) => it['type'] === 'DisruptionTarget')
      const isListed = onExitCodes?.values.includes(exitCode)
      if (!isDisrupted && !(onExitCodes && isListed === (onExitCodes.operator === 'In'))) continue
      return action === 'Ignore' ? 'replace' : 'PodFailurePolicy'
    }
    const failed = (job['status']?.failed ?? 0) + 1
    this.kube.setStatus('jobs', job['metadata'].name, { failed })
    return failed > job['spec'].backoffLimit ? 'BackoffLimitExceeded' : 'replace'
  }
}
