import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createKubernetesJobRunner } from '#adapter/compute/kubernetes/jobs'
import { createFakeJobRunner, createProcessJobRunner, type FakeProgram } from '#core/compute'
import { silentLogger } from '#core/log'
import { createMemoryStore, openStore } from '#core/storage'
import { clusterSettings } from '../support/cluster-settings.ts'
import { startFakeKube } from '../support/fake-kube.ts'
import { playKubelet } from '../support/fake-kubelet.ts'
import { startJobOwner } from '../support/job-owner.ts'
import { startPresignedStore } from '../support/presigned-store.ts'
import { supervisor } from '../support/supervisor.ts'
import { jobRunnerContract } from './job-runner.ts'

const stopped = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

/** The programs of test/fixtures/job-programs.mjs, as functions. */
const programs: Readonly<Record<string, FakeProgram>> = {
  print: async ({ args, print }) => {
    for (let i = 0; i < Number(args[0]); i++) print(`line ${i}`)
    return 0
  },
  partial: async ({ print }) => {
    for (const line of ['first', '', 'no line feed']) print(line)
    return 0
  },
  exit: async ({ args: [code, cause], complain }) => {
    if (cause) complain(cause)
    return Number(code)
  },
  env: async ({ args: [name = ''], env, print }) => {
    print(env[name] ?? 'not set')
    return 0
  },
  copy: async ({ args: [from = '', to = '', code], inputs, write }) => {
    write(to, inputs[from] ?? new Uint8Array())
    return Number(code)
  },
  resume: async ({ args: [next = ''], checkpoint, print }) => {
    print(Buffer.from(checkpoint!.read() ?? []).toString() || 'nothing')
    checkpoint!.write(Buffer.from(next))
    return 75
  },
  'until-stopped': async ({ print, stop }) => {
    print('ready')
    await stopped(stop)
    print('stopping')
    return 76
  },
  stubborn: async ({ print }) => {
    print('ready')
    return new Promise(() => undefined)
  },
}

jobRunnerContract('memory', async () => {
  const store = createMemoryStore()
  const runner = createFakeJobRunner(programs, store)
  return {
    runner,
    store,
    command: (program, ...args) => [program, ...args],
    async afterDeathOfOwner(spec) {
      await runner.start(spec)
      runner.restart()
      return runner
    },
    close: async () => undefined,
  }
})

const command = (program: string, ...args: readonly string[]) => [
  process.execPath,
  path.resolve('test/fixtures/job-programs.mjs'),
  program,
  ...args,
]

jobRunnerContract('child processes', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'gyre-jobs-'))
  const store = await openStore(path.join(directory, 'objects'))
  const open = () => createProcessJobRunner({ directory: path.join(directory, 'jobs'), store, log: silentLogger() })
  return {
    runner: open(),
    store,
    command,
    async afterDeathOfOwner(spec) {
      const owner = await startJobOwner(path.join(directory, 'jobs'), spec)
      await owner.kill()
      return open()
    },
    close: () => rm(directory, { recursive: true, force: true }),
  }
})

jobRunnerContract(
  'a fake Kubernetes',
  async () => {
    const [kube, objects] = await Promise.all([startFakeKube(), startPresignedStore()])
    const kubelet = await playKubelet(kube, supervisor.path)
    const runners: { stop(): void }[] = []
    const open = () => {
      const runner = createKubernetesJobRunner({
        ...clusterSettings(kube.api),
        objects: objects.store,
        log: silentLogger(),
      })
      runners.push(runner)
      return runner
    }
    return {
      runner: open(),
      store: objects.store,
      command,
      async afterDeathOfOwner(spec) {
        const owner = open()
        await owner.start(spec)
        const abort = new AbortController()
        const dead = new Error('dead')
        const waiting = owner.wait(spec.name, { onLine: () => abort.abort(dead), signal: abort.signal })
        await waiting.catch((error: unknown) => error === dead || Promise.reject(error as Error))
        owner.stop()
        return open()
      },
      async close() {
        for (const runner of runners) runner.stop()
        await kubelet.stop()
        await kube.stop()
        await objects.stop()
      },
    }
  },
  { replaces: true, leftOut: supervisor.missing },
)
