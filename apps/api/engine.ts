/**
 * The engine behind the API: plans are made from the project's pipelines, runs are Temporal workflows, and what they did
 * is read from the store. Temporal is asked only for what is in flight.
 */

import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client'
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common'
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { z } from 'zod'
import { isPlatformError, PlatformError } from '#core/errors'
import type { NewsKind } from '#core/notify'
import { availablePipelines, keepRun, paramsSchema, planRun, prepareRun } from '#core/planning'
import type { Plan } from '#core/plan'
import {
  forgetGeneration,
  lastGeneration,
  listRunIds,
  nodeRecords,
  openGeneration,
  readOpening,
  readOutcome,
  readRun,
  runsBasedOn,
  type Engine,
  type Forecast,
  type ForecastRequest,
  type ForkRequest,
  type NodeOutcome,
  type OpenQuestion,
  type PersonsAnswer,
  type PipelineInfo,
  type RerunRequest,
  type RunBase,
  type RunFilter,
  type RunRecord,
  type RunReport,
  type RunStatus,
  type RunSummary,
  type StepReport,
} from '#core/runs'
import type { ObjectStore } from '#core/storage'
import { connectClient, prepareTemporal, type TemporalSettings } from '../../infra/temporal/index.ts'
import type { runPipeline } from '../../workflows/index.ts'
import { forecast, planFork, planRerun } from './forecasts.ts'
import type { RunReport as WorkflowReport, RunSettings } from '../../workflows/types.ts'

export interface EngineOptions {
  readonly store: ObjectStore
  readonly project: string
  /** The folder whose `pipelines/` are offered. */
  readonly projectDir: string
  readonly bundleDir: string
  readonly temporal: TemporalSettings & { readonly uiUrl: string | null }
  /** After this long without a heartbeat an attempt counts as dead. */
  readonly heartbeatMs: number
  /** Kinds of news that people are told of runs. */
  readonly notify?: readonly NewsKind[]
}

const QUERY_MS = 2_000
/** From a run's outcome to the end of its workflow; longer where no worker is there. */
const CLOSE_MS = 8_000
const LISTED_AT_ONCE = 32
/** Between the opening of a generation and the start of its workflow. */
const LAUNCH_MS = 60_000
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
      params: z.toJSONSchema(paramsSchema(definition), { io: 'input' }),
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
    await this.#launchOnce(record, by)
    return { id: record.run }
  }

  forecast(request: ForecastRequest): Promise<Forecast> {
    return forecast(this.options, request)
  }

  async rerun(request: RerunRequest, { by, runId }: { by: string; runId?: string }): Promise<{ id: string }> {
    const { plan, forced } = await planRerun(this.options, request)
    return this.#startFrom(plan, { kind: 'rerun', run: request.run, forced }, by, runId)
  }

  async fork(request: ForkRequest, { by, runId }: { by: string; runId?: string }): Promise<{ id: string }> {
    const plan = await planFork(this.options, request)
    return this.#startFrom(plan, { kind: 'fork', run: request.run, forced: [] }, by, runId)
  }

  async #startFrom(plan: Plan, basedOn: RunBase, by: string, runId?: string): Promise<{ id: string }> {
    const { store } = this.options
    const record = await keepRun(store, plan, { by, basedOn, ...(runId && { runId }) })
    await this.#launchOnce(record, by)
    return { id: record.run }
  }

  async list({ pipeline, status, limit = Infinity }: RunFilter = {}): Promise<readonly RunSummary[]> {
    const { store } = this.options
    const records = (await Promise.all((await listRunIds(store)).map((id) => knownRun(store, id))))
      .filter((record) => record !== null)
      .filter(({ plan }) => pipeline === undefined || plan.pipeline === pipeline)
      .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
    const runs: RunSummary[] = []
    for (let from = 0; from < records.length && runs.length < limit; from += LISTED_AT_ONCE) {
      const summaries = await Promise.all(records.slice(from, from + LISTED_AT_ONCE).map((one) => this.#summary(one)))
      runs.push(...summaries.filter((one) => status === undefined || one.status === status))
    }
    return runs.slice(0, Math.min(limit, runs.length))
  }

  async show(run: string): Promise<RunReport> {
    const { store, temporal } = this.options
    const record = await readRun(store, run)
    const generation = await lastGeneration(store, run)
    const outcome = generation > 0 ? await readOutcome(store, run, generation) : null
    const temporalUrl = temporal.uiUrl && `${temporal.uiUrl}/namespaces/${temporal.namespace}/workflows/${run}`
    const base = {
      id: run,
      basedOn: record.basedOn ?? null,
      derived: await runsBasedOn(store, run),
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
    const status = live && !isOver(live.status) ? live.status : (flight?.status ?? (await this.#forgotten(run)))
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
    await this.#untilClosed(run)
    await this.#launch(record, by, await openGeneration(this.options.store, run, by))
  }

  async answerApproval(run: string, node: string, answer: PersonsAnswer): Promise<void> {
    await readRun(this.options.store, run)
    await this.#update(run, 'approve', { node, ...answer })
  }

  openQuestions(run: string): Promise<readonly OpenQuestion[] | null> {
    return this.#query<readonly OpenQuestion[]>(run, 'questions')
  }

  async stopSession(session: string, by: string): Promise<void> {
    const dot = session.indexOf('.')
    await this.#update(`${session.slice(0, dot)}/${session.slice(dot + 1)}`, 'stop', { by })
  }

  /** The same request again starts nothing twice; what was cut short before Temporal heard of it starts now. */
  async #launchOnce(record: RunRecord, by: string): Promise<void> {
    const { store } = this.options
    const { run } = record
    const generation = await lastGeneration(store, run)
    if (generation === 0) return this.#launch(record, by, await openGeneration(store, run, by))
    if (generation === 1 && !(await readOutcome(store, run, 1)) && !(await this.#describe(run)))
      await this.#launch(record, by, generation)
  }

  /** The outcome is written before the workflow ends, and until then the server starts no other with its id. */
  async #untilClosed(run: string): Promise<void> {
    const closed = () => this.client.workflow.getHandle(run).result()
    await this.client.connection.withDeadline(Date.now() + CLOSE_MS, closed).catch(() => undefined)
  }

  async #launch(record: RunRecord, by: string, generation: number): Promise<void> {
    const { plan, run } = record
    const dataset = (plan.params as Readonly<Record<string, unknown>>).dataset
    try {
      await this.client.workflow.start<typeof runPipeline>('runPipeline', {
        workflowId: run,
        taskQueue: 'gyre-pipeline',
        args: [
          {
            run,
            generation,
            plan,
            settings: runSettings(this.options),
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
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw this.#unavailable(error)
      if (generation === 1) return // The same request, heard twice.
      await forgetGeneration(this.options.store, run, generation)
      throw new PlatformError('RUN_NOT_RESUMABLE', `run "${run}" is resumed already, or not quite over; look again`, {
        run,
      })
    }
  }

  async #summary({ run, plan, startedAt }: RunRecord): Promise<RunSummary> {
    const { store } = this.options
    const generation = await lastGeneration(store, run)
    const outcome = generation > 0 ? await readOutcome(store, run, generation) : null
    const status = outcome?.status ?? (await this.#flight(run, plan))?.status ?? (await this.#forgotten(run))
    return { id: run, pipeline: plan.pipeline, status, startedAt, endedAt: outcome?.endedAt ?? null }
  }

  /** Of a run without an outcome that Temporal does not know: about to start, or lost with Temporal's database. */
  async #forgotten(run: string): Promise<RunStatus> {
    const { store } = this.options
    const generation = await lastGeneration(store, run)
    const opened = generation > 0 ? await readOpening(store, run, generation) : null
    return opened && Date.now() - Date.parse(opened.at) > LAUNCH_MS ? 'failed' : 'queued'
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

/** What a run is told of the installation, whoever starts it. */
export function runSettings({
  heartbeatMs,
  project,
  notify = [],
}: Pick<EngineOptions, 'heartbeatMs' | 'project' | 'notify'>): RunSettings {
  return { heartbeatMs, project, ...(notify.length > 0 && { notify }) }
}

/** Null for a run whose start was cut short. */
async function knownRun(store: ObjectStore, run: string): Promise<RunRecord | null> {
  try {
    return await readRun(store, run)
  } catch (error) {
    if (isPlatformError(error) && error.code === 'RUN_NOT_FOUND') return null
    throw error
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
