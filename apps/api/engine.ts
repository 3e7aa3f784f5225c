/**
 * The engine behind the API: plans are made from the project's pipelines, runs are Temporal workflows, and what they did
 * is read from the store. Temporal is asked only for what is in flight.
 */

import { type Client, isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client'
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common'
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { availablePipelines, planRun, prepareRun } from '#core/planning'
import type { Plan } from '#core/plan'
import {
  lastGeneration,
  listRunIds,
  nodeRecords,
  openGeneration,
  readOutcome,
  readRun,
  type Engine,
  type NodeOutcome,
  type OpenQuestion,
  type PersonsAnswer,
  type PipelineInfo,
  type RunRecord,
  type RunReport,
  type RunStatus,
  type RunSummary,
  type StepReport,
} from '#core/runs'
import type { ObjectStore } from '#core/storage'
import { connectClient, prepareTemporal, type TemporalSettings } from '../../infra/temporal/index.ts'
import type { runPipeline } from '../../workflows/index.ts'
import type { RunReport as WorkflowReport } from '../../workflows/types.ts'

export interface EngineOptions {
  readonly store: ObjectStore
  readonly project: string
  /** The folder whose `pipelines/` are offered. */
  readonly projectDir: string
  readonly bundleDir: string
  readonly temporal: TemporalSettings & { readonly uiUrl: string | null }
  /** After this long without a heartbeat an attempt counts as dead. */
  readonly heartbeatMs: number
}

const QUERY_MS = 2_000
/** A server that starts at the same time as we do may take this long. */
const TEMPORAL_PATIENCE_MS = 10_000
const keyword = (name: string): ReturnType<typeof defineSearchAttributeKey<'KEYWORD'>> =>
  defineSearchAttributeKey(name, 'KEYWORD')
const ATTRIBUTES = {
  pipeline: keyword('GyrePipeline'),
  dataset: keyword('GyreDataset'),
  project: keyword('GyreProject'),
}

export async function createEngine(options: EngineOptions): Promise<Engine & { close(): Promise<void> }> {
  await prepareTemporal(options.temporal, { patienceMs: TEMPORAL_PATIENCE_MS })
  const client = await connectClient(options.temporal)
  return Object.assign(new TemporalEngine(options, client), { close: () => client.connection.close() })
}

/** What Temporal knows of one workflow, in our words; null where it never knew or has forgotten. */
interface Flight {
  readonly status: RunStatus
  readonly attempts: ReadonlyMap<string, Attempt>
}

interface Attempt {
  readonly attempt: number
  readonly progress: StepReport['progress']
  readonly trouble: string | null
}

type Description = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>
type PendingActivity = NonNullable<Description['raw']['pendingActivities']>[number]

class TemporalEngine implements Engine {
  constructor(
    private readonly options: EngineOptions,
    private readonly client: Client,
  ) {}

  async pipelines(): Promise<readonly PipelineInfo[]> {
    const loaded = await availablePipelines(this.options)
    return [...loaded.values()].map(({ definition, file }) => ({
      name: definition.name,
      file,
      description: definition.description ?? '',
      params: z.toJSONSchema(definition.params, { io: 'input' }),
    }))
  }

  plan(pipeline: string, params: unknown): Promise<Plan> {
    return planRun(this.options, pipeline, params)
  }

  async start(
    pipeline: string,
    params: unknown,
    { by, runId }: { by: string; runId?: string },
  ): Promise<{ id: string }> {
    const record = await prepareRun(this.options, { pipeline, params, by, ...(runId && { runId }) })
    if ((await lastGeneration(this.options.store, record.run)) === 0) await this.#launch(record, by)
    return { id: record.run }
  }

  async list(): Promise<readonly RunSummary[]> {
    const ids = await listRunIds(this.options.store)
    const summaries = await Promise.all(ids.map((id) => this.#summary(id)))
    return summaries.sort((a, b) => b.startedAt.localeCompare(a.startedAt))
  }

  async show(run: string): Promise<RunReport> {
    const { store, temporal } = this.options
    const record = await readRun(store, run)
    const generation = await lastGeneration(store, run)
    const outcome = generation > 0 ? await readOutcome(store, run, generation) : null
    const temporalUrl = temporal.uiUrl && `${temporal.uiUrl}/namespaces/${temporal.namespace}/workflows/${run}`
    const base = {
      id: run,
      pipeline: record.plan.pipeline,
      startedAt: record.startedAt,
      params: record.plan.params,
      temporalUrl,
    }
    if (outcome)
      return {
        ...base,
        status: outcome.status,
        endedAt: outcome.endedAt,
        steps: stepReports(record.plan, outcome.nodes, null),
      }
    const flight = await this.#flight(run, record.plan)
    const live = flight?.status === 'running' ? await this.#query<WorkflowReport>(run, 'report') : null
    const nodes = live?.nodes ?? (await this.#nodesFromStore(run))
    const status = live && !isOver(live.status) ? live.status : (flight?.status ?? 'queued')
    return { ...base, status, endedAt: null, steps: stepReports(record.plan, nodes, flight) }
  }

  async cancel(run: string): Promise<void> {
    await readRun(this.options.store, run)
    await this.client.workflow
      .getHandle(run)
      .cancel()
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) throw this.#unavailable(error)
      })
  }

  async resume(run: string, by: string): Promise<void> {
    const record = await readRun(this.options.store, run)
    const { status } = await this.show(run)
    if (status !== 'failed' && status !== 'cancelled')
      throw new PlatformError(
        'RUN_NOT_RESUMABLE',
        `run "${run}" is ${status}; only a failed or cancelled run resumes`,
        { run, status },
      )
    await this.#launch(record, by)
  }

  async answerApproval(run: string, node: string, answer: PersonsAnswer): Promise<void> {
    await readRun(this.options.store, run)
    await this.#update(run, 'approve', { node, ...answer })
  }

  openQuestions(run: string): Promise<readonly OpenQuestion[] | null> {
    return this.#query<readonly OpenQuestion[]>(run, 'questions')
  }

  async stopSession(session: string, by: string): Promise<void> {
    const dot = session.lastIndexOf('.')
    await this.#update(`${session.slice(0, dot)}/${session.slice(dot + 1)}`, 'stop', { by })
  }

  async #launch(record: RunRecord, by: string): Promise<void> {
    const generation = await openGeneration(this.options.store, record.run, by)
    const { plan } = record
    const dataset = (plan.params as Readonly<Record<string, unknown>>).dataset
    try {
      await this.client.workflow.start<typeof runPipeline>('runPipeline', {
        workflowId: record.run,
        taskQueue: 'gyre-pipeline',
        args: [
          {
            run: record.run,
            generation,
            plan,
            settings: { heartbeatMs: this.options.heartbeatMs, project: this.options.project },
          },
        ],
        staticSummary: `${plan.pipeline}${generation > 1 ? `, resumed ${generation - 1}×` : ''}`,
        typedSearchAttributes: new TypedSearchAttributes([
          { key: ATTRIBUTES.pipeline, value: plan.pipeline },
          { key: ATTRIBUTES.project, value: this.options.project },
          ...(typeof dataset === 'string' ? [{ key: ATTRIBUTES.dataset, value: dataset }] : []),
        ]),
      })
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  async #summary(run: string): Promise<RunSummary> {
    const { store } = this.options
    const [record, generation] = await Promise.all([readRun(store, run), lastGeneration(store, run)])
    const outcome = generation > 0 ? await readOutcome(store, run, generation) : null
    const status = outcome?.status ?? (await this.#flight(run, record.plan))?.status ?? 'queued'
    return {
      id: run,
      pipeline: record.plan.pipeline,
      status,
      startedAt: record.startedAt,
      endedAt: outcome?.endedAt ?? null,
    }
  }

  /** The state of a run whose outcome is not written: from Temporal's own record of the workflow. */
  async #flight(run: string, plan: Plan): Promise<Flight | null> {
    const description = await this.#describe(run)
    if (!description) return null
    const children = plan.nodes
      .filter(({ kind }) => kind === 'annotate')
      .map(({ id }) => this.#describe(`${run}/${id}`))
    const descriptions = [description, ...(await Promise.all(children))].filter((one) => one !== null)
    const pending = descriptions.flatMap(({ raw }) => raw.pendingActivities ?? [])
    const attempts = await Promise.all(
      pending.map(async (one) => [one.activityId ?? '', await this.#attempt(one)] as const),
    )
    return { status: STATUS[description.status.name] ?? 'failed', attempts: new Map(attempts) }
  }

  async #attempt({ attempt, heartbeatDetails, lastFailure }: PendingActivity): Promise<Attempt> {
    const converter = this.client.options.loadedDataConverter
    const payloads = heartbeatDetails?.payloads
    const failure = await decodeOptionalFailureToOptionalError(converter, lastFailure)
    return {
      attempt: attempt ?? 1,
      progress: payloads?.length ? await decodeFromPayloadsAtIndex(converter, 0, payloads) : null,
      trouble: failure?.message ?? null,
    }
  }

  async #describe(workflowId: string): Promise<Description | null> {
    try {
      return await this.client.workflow.getHandle(workflowId).describe()
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return null
      throw this.#unavailable(error)
    }
  }

  /** The workflow's own report; null when no worker answers in time, as between a crash and its restart. */
  async #query<T>(run: string, name: string): Promise<T | null> {
    try {
      return await this.client.connection.withDeadline(Date.now() + QUERY_MS, () =>
        this.client.workflow.getHandle(run).query<T>(name),
      )
    } catch {
      return null
    }
  }

  async #nodesFromStore(run: string): Promise<readonly NodeOutcome[]> {
    const records = await nodeRecords(this.options.store, run)
    return [...records].map(([id, { output, origin, attempts, startedAt, endedAt, reason }]) => ({
      id,
      status: 'completed',
      origin,
      attempts,
      startedAt,
      endedAt,
      reason,
      code: null,
      outputs: output,
    }))
  }

  async #update(workflowId: string, name: string, argument: unknown): Promise<void> {
    try {
      await this.client.workflow.getHandle(workflowId).executeUpdate(name, { args: [argument] })
    } catch (error) {
      if (isGrpcServiceError(error)) throw this.#unavailable(error)
      const cause = (error as { cause?: Error }).cause ?? (error as Error)
      throw new PlatformError('INVALID_INPUT', cause.message, { workflowId }, { cause: error })
    }
  }

  #unavailable(error: unknown): Error {
    if (!isGrpcServiceError(error)) return error as Error
    const { address } = this.options.temporal
    return new PlatformError(
      'TEMPORAL_UNAVAILABLE',
      `the Temporal server at ${address} does not answer (${error.details})`,
      {},
      { cause: error },
    )
  }
}

const STATUS: Readonly<Record<string, RunStatus>> = {
  RUNNING: 'running',
  COMPLETED: 'completed',
  CANCELLED: 'cancelled',
  CANCELED: 'cancelled',
  CONTINUED_AS_NEW: 'running',
}

const isOver = (status: string): boolean => status === 'completed' || status === 'failed' || status === 'cancelled'

function stepReports(plan: Plan, nodes: readonly NodeOutcome[], flight: Flight | null): readonly StepReport[] {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  return plan.nodes.map(({ id, step, needs }) => {
    const node = byId.get(id)
    const pending = flight?.attempts.get(id)
    const retrying =
      pending && pending.attempt > 1 && pending.trouble ? `attempt ${pending.attempt}: ${pending.trouble}` : null
    return {
      id,
      step,
      needs,
      status: (node?.status ?? (pending ? 'running' : 'queued')) as StepReport['status'],
      origin: node?.origin ?? null,
      attempts: pending?.attempt ?? node?.attempts ?? 0,
      startedAt: node?.startedAt ?? null,
      endedAt: node?.endedAt ?? null,
      reason: pending?.progress?.waiting ?? retrying ?? node?.reason ?? null,
      // Before it has begun there is nothing to count.
      progress: pending?.progress?.unit ? pending.progress : null,
      outputs: node?.outputs ?? null,
      code: node?.code ?? null,
    }
  })
}
