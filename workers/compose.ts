/** Builds the clients once and hands them to the activities: the only place where ports meet adapters. */

import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Client } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import type { ServiceHost } from '#core/compute'
import {
  codeVersion,
  runAsJob,
  runContainer,
  runInThread,
  runTraining,
  ThreadPool,
  type BodyRequest,
} from '#core/execution'
import { requestStop } from '#core/labelling'
import { createLogger, type Logger } from '#core/log'
import * as steps from '#core/steps'
import { openStore, type ObjectStore } from '#core/storage'
import { connectionOptions, dataConverter, prepareTemporal } from '../infra/temporal/index.ts'
import { createAdvance, type AdvanceActivity } from '../activities/advance.ts'
import { createApprovalActivities, type ApprovalActivities } from '../activities/approvals.ts'
import { Background } from '../activities/background.ts'
import { createBookkeeping, type Bookkeeping } from '../activities/bookkeeping.ts'
import { createNotifyActivities, type NotifyActivities } from '../activities/notify.ts'
import { createTriggerActivities, endedRunsOf, type TriggerActivities } from '../activities/triggers.ts'
import { StepTimes } from '../activities/step-times.ts'
import type { RunBody, StepPorts } from '../activities/step.ts'
import type { WorkerConfig } from './config.ts'
import { openPorts } from './ports.ts'
import { readSigningKey } from './signing-key.ts'

export interface Composition {
  readonly connection: NativeConnection
  readonly store: ObjectStore
  readonly services: ServiceHost
  readonly bookkeeping: Bookkeeping
  readonly people: ApprovalActivities & NotifyActivities & TriggerActivities
  readonly advance: AdvanceActivity
  readonly stepPorts: StepPorts
  readonly inThread: RunBody
  /** Steps of users' own: in a thread that has carried out the same bundle before. */
  readonly warm: RunBody
  readonly asJob: RunBody
  readonly asContainer: RunBody
  /** Programs of `apps/trainer`. */
  readonly asTraining: RunBody
  /** Steps that deserve a Pod on a cluster, and a thread on one machine. */
  readonly inThreadOrJob: RunBody
  readonly log: Logger
  /** Finishes what nobody waits for; to be called after the workers have ended. */
  close(): Promise<void>
}

/** The built-in steps by name. */
export const builtInSteps: ReadonlyMap<string, steps.StepDefinition> = new Map(
  Object.values(steps)
    .filter((value): value is steps.StepDefinition & typeof value => typeof value === 'object' && 'policy' in value)
    .map((step) => [step.name, step as steps.StepDefinition]),
)

const ALL_QUEUES = ['pipeline', 'cpu', 'gpu'] as const

/** A server that starts at the same time as we do may take this long. */
const TEMPORAL_PATIENCE_MS = 10_000

export async function compose(config: WorkerConfig): Promise<Composition> {
  const log = createLogger('worker')
  await removeLeftovers(path.dirname(config.scratchDir))
  await prepareTemporal(config.temporal, { patienceMs: TEMPORAL_PATIENCE_MS })
  const connection = await NativeConnection.connect(connectionOptions(config.temporal))
  const { namespace } = config.temporal
  const client = new Client({ connection, namespace, dataConverter: dataConverter(config.temporal) })
  const store = await openStore(config.store.uri, { project: config.store.project })
  const { jobHost, trainer, services } = await openPorts(config, store, log)
  const signingKey = await readSigningKey(config.signingKey)
  const inThread: RunBody = (request, hooks) => runInThread(request, hooks, log)
  const asJob: RunBody = (request, hooks) => runAsJob(request, hooks, jobHost)
  const pool = new ThreadPool({ log })
  const warm: RunBody = (request, hooks) => pool.run(request, hooks)
  const background = new Background((error) =>
    log.warn({ err: error }, 'a result could not be remembered for other runs'),
  )
  const servesAll = ALL_QUEUES.every((queue) => config.queues.includes(queue))
  // A folder has one worker, which carries out all steps.
  const alone = servesAll && store.uri.startsWith('file:')
  const common = {
    store,
    storeAt: config.store,
    steps: builtInSteps,
    scratchDir: config.scratchDir,
    bundleDir: config.bundleDir,
    sessionHost: config.sessionHost,
    ...(signingKey !== undefined && { signingKey }),
    tellSession: (workflowId: string, kind: string, state: unknown) =>
      client.workflow.getHandle(workflowId).signal('milestone', { kind, state }),
    wasTerminated: async (workflowId: string, runId: string) =>
      (await client.workflow.getHandle(workflowId, runId).describe()).status.name === 'TERMINATED',
    once: { store, alone, later: (work: Promise<unknown>) => background.start(work) },
    times: new StepTimes(),
  }
  const { advance, follow } = createAdvance({ ...common, codeVersion, warm, servesAll })
  return {
    connection,
    store,
    services,
    bookkeeping: createBookkeeping({
      store,
      steps: builtInSteps,
      codeVersion,
      requestStop: (session, by) => requestStop(store, session, by),
    }),
    people: {
      ...createApprovalActivities(store),
      ...createNotifyActivities(config.notify),
      ...createTriggerActivities({
        ...{ store, projectDir: config.projectDir, bundleDir: config.bundleDir },
        endedRuns: endedRunsOf(client),
      }),
    },
    advance: { advance },
    stepPorts: { ...common, follow },
    inThread,
    warm,
    asJob,
    asContainer: (request, hooks) => runContainer(request, hooks, { jobs: jobHost.jobs, store, check: inThread }),
    asTraining: (request, hooks) => runTraining(request, hooks, { jobs: jobHost.jobs, store, inThread, trainer }),
    inThreadOrJob: (request, hooks) =>
      config.compute === 'kubernetes' && !namesLocalFile(request) ? asJob(request, hooks) : inThread(request, hooks),
    log,
    async close() {
      pool.close()
      await background.drained()
      await connection.close()
    },
  }
}

/** A file of this machine is in no Pod. */
function namesLocalFile({ step, input }: BodyRequest): boolean {
  const values = input as Readonly<Record<string, unknown>>
  return (builtInSteps.get(step)?.files ?? []).some((name) => {
    const file = values[name]
    return typeof file === 'string' && existsSync(file)
  })
}

/** Removes the work in progress of workers that died; in a container, the one before had our own number. */
async function removeLeftovers(scratchRoot: string): Promise<void> {
  const folders = await readdir(scratchRoot).catch(() => [] as string[])
  await Promise.all(
    folders
      .filter((pid) => Number(pid) === process.pid || !isAlive(Number(pid)))
      .map((pid) => rm(path.join(scratchRoot, pid), { recursive: true, force: true })),
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
