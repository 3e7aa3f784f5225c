/** Carries out one built-in or user step wherever it was called: a worker thread, or a job's process. */

import { mkdirSync, rmSync } from 'node:fs'
import { issueText, PlatformError } from '#core/errors'
import { createLogger, type Spoken } from '#core/log'
import { openStore, type ObjectStore } from '#core/storage'
import type { SessionState } from '#core/labelling'
import type { Item } from '#core/maps'
import type { PlanContainer } from '#core/plan'
import type { StepDefinition } from '#core/steps'
import type { Progress, StepContext } from './context.ts'
import { runItems, type ItemBody } from './run-items.ts'
import { LAY_OUT, TAKE } from './run-training.ts'
import { runUserStep, userItemBody } from './run-user-step.ts'

export interface BodyRequest {
  readonly step: string
  readonly input: unknown
  readonly run: string
  readonly node: string
  readonly attempt: number
  /** For all attempts together; a day where left out. */
  readonly timeoutMs?: number
  /** GPUs that this use of the step asks for. */
  readonly gpus?: number
  /** What a container step runs. */
  readonly container?: PlanContainer
  /** Only checks `input` against this schema of a step of the user's, and gives it as parsed. */
  readonly check?: 'input' | 'output'
  /** Carries the step out once for each of these items, in place of `input`; see `runItems`. */
  readonly items?: readonly Item[]
  /** Attempts per item. */
  readonly itemAttempts?: number
  readonly store: { readonly uri: string; readonly project: string }
  /** Digest of the blob with a user's bundle, for a step of theirs. */
  readonly bundle: string | null
  /** A folder of this attempt alone; made and removed here. */
  readonly scratchDir: string
  /** Where bundles are kept between runs. */
  readonly bundleDir: string
  /** The address under which this process serves labelling sessions; this machine's own if left out. */
  readonly sessionHost?: string
  /** Private key in PEM, for sessions alone: it goes to a thread of this process and nowhere else. */
  readonly signingKey?: string
}

export interface BodyHooks {
  readonly signal: AbortSignal
  onProgress(progress: Progress): void
  /** Milestones of a labelling session. */
  onSession(state: SessionState): void
  /** What the step says, line by line. */
  onLog?(line: Spoken): void
  /** A warm thread has taken the body up. */
  onBegin?(): void
}

type Body = (input: never, ctx: StepContext, hooks: BodyHooks, request: BodyRequest) => Promise<unknown>

/** The body of each built-in step. Loaded on first use: a thread pays only for what it runs. */
const BODIES: Readonly<Record<string, () => Promise<Body>>> = {
  'import-images': async () => {
    const { importImages } = await import('#core/imports')
    return (input, ctx) => importImages(input, ctx)
  },
  'import-annotations': async () => (await import('#core/interop')).importAnnotations,
  'snapshot-dataset': async () => (await import('#core/datasets')).snapshotDataset,
  'select-images': async () => (await import('#core/catalog')).selectImages,
  'check-health': async () => (await import('#core/health')).checkHealth,
  'export-dataset': async () => (await import('#core/exports')).exportDataset,
  'check-drift': async () => (await import('#core/health')).checkDrift,
  'collect-garbage': async () => (await import('#core/retention')).runCollection,
  'delete-image': async () => (await import('#core/retention')).runDeletion,
  'verify-dataset': async () => (await import('#core/retention')).runVerification,
  [LAY_OUT]: async () => (await import('#core/self-supervised')).layOutTraining,
  [TAKE]: async () => (await import('#core/self-supervised')).takeEmbedder,
  'embed-images': async () => (await import('#core/embedding')).embedImages,
  'cluster-embeddings': async () => (await import('#core/clustering')).clusterEmbeddings,
  'index-neighbours': async () => (await import('#core/neighbours')).indexNeighbours,
  annotate: async () => {
    const { hostSession } = await import('#core/labelling')
    return (input, ctx, { onSession }, { sessionHost, signingKey }) =>
      hostSession(input, ctx, {
        onState: onSession,
        signingKey,
        sessionId: `${ctx.runId}.${ctx.nodeId}`,
        ...(sessionHost && { host: sessionHost }),
      })
  },
  'train-classifier': async () => (await import('#core/training')).trainClassifier,
  evaluate: async () => (await import('#core/evaluation')).evaluate,
  'register-model': async () => {
    const { registerModel } = await import('#core/registry')
    return (input, ctx) => registerModel(input, ctx)
  },
  'prove-endpoint': async () => (await import('#core/serving')).proveEndpoint,
  'collect-captured': async () => (await import('#core/serving')).collectCaptured,
  'run-batch-task': async () => (await import('#core/batch')).runBatchTask,
}

/** Opened once per thread: a warm one carries out many bodies. */
const stores = new Map<string, Promise<ObjectStore>>()

function storeOf({ store: { uri, project } }: BodyRequest): Promise<ObjectStore> {
  const name = JSON.stringify([uri, project])
  const opened = stores.get(name) ?? openStore(uri, { project })
  stores.set(name, opened)
  opened.catch(() => stores.delete(name))
  return opened
}

export async function runBody(request: BodyRequest, hooks: BodyHooks): Promise<unknown> {
  const store = await storeOf(request)
  mkdirSync(request.scratchDir, { recursive: true })
  const ctx: StepContext = {
    store,
    runId: request.run,
    nodeId: request.node,
    attempt: request.attempt,
    scratchDir: request.scratchDir,
    signal: hooks.signal,
    log: createLogger('step', 'info', hooks.onLog).child({ runId: request.run, nodeId: request.node }),
    progress: (progress) => hooks.onProgress(progress),
  }
  try {
    if (request.items) return await runItems(request, ctx, await itemBody(request, ctx, hooks))
    if (request.bundle) return await runUserStep(request, request.bundle, ctx)
    return await runBuiltIn(request, ctx, hooks)
  } finally {
    rmSync(request.scratchDir, { recursive: true, force: true })
  }
}

async function runBuiltIn(request: BodyRequest, ctx: StepContext, hooks: BodyHooks): Promise<unknown> {
  const load = BODIES[request.step]
  if (!load)
    throw new PlatformError('PIPELINE_INVALID', `there is no built-in step "${request.step}"`, { step: request.step })
  const body = await load()
  return body(request.input as never, ctx, hooks, request)
}

/** One item of a map: input and output are checked by the step's schemas. */
async function itemBody(request: BodyRequest, ctx: StepContext, hooks: BodyHooks): Promise<ItemBody> {
  const { bundle, step } = request
  if (bundle) return userItemBody(request, bundle, ctx)
  const steps = Object.values(await import('#core/steps')) as readonly Partial<StepDefinition>[]
  const definition = steps.find(({ name }) => name === step) as StepDefinition
  return async ({ input }) => {
    const parsed = definition.input.safeParse(input)
    if (!parsed.success) throw new PlatformError('INVALID_INPUT', `step ${step}, input ${issueText(parsed.error)}`)
    const output = definition.output.safeParse(await runBuiltIn({ ...request, input: parsed.data }, ctx, hooks))
    if (output.success) return output.data
    throw new PlatformError('STEP_OUTPUT_INVALID', `step ${step} returned ${issueText(output.error)}`)
  }
}
