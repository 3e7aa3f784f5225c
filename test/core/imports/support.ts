/** What the tests of datasets share: a folder of their own, a step's context, the report of an import. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import type { Progress, StepContext } from '#core/execution'
import { importImages, type ImportReport } from '#core/imports'
import { silentLogger } from '#core/log'
import type { importImages as importStep, StepInput, StepOutput } from '#core/steps'
import { createMemoryStore, readBlob, type ObjectStore } from '#core/storage'

/** A temporary folder for the tests of one file. */
export function temporaryFolder(): (...names: string[]) => string {
  let root = ''
  beforeAll(async () => void (root = await mkdtemp(path.join(tmpdir(), 'gyre-test-'))))
  afterAll(() => rm(root, { recursive: true, force: true }))
  return (...names) => path.join(root, ...names)
}

export interface TestContext extends StepContext {
  readonly said: Progress[]
}

export function stepContext({
  store = createMemoryStore(),
  scratchDir = tmpdir(),
  signal = new AbortController().signal,
  runId = 'run-1',
}: Partial<Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'runId'>> = {}): TestContext {
  const said: Progress[] = []
  const progress = (progress: Progress): void => void said.push(progress)
  return { store, runId, nodeId: 'import', attempt: 1, scratchDir, signal, log: silentLogger(), said, progress }
}

type ImportInput = StepInput<typeof importStep>

export function runImport(
  ctx: StepContext,
  input: Partial<ImportInput> & Pick<ImportInput, 'source'>,
): Promise<StepOutput<typeof importStep>> {
  return importImages({ dataset: 'things', labels: 'none', heldOutShare: 0.2, seed: 7, ...input }, ctx)
}

export async function reportOf(
  store: ObjectStore,
  { report }: Pick<StepOutput<typeof importStep>, 'report'>,
): Promise<ImportReport> {
  return JSON.parse(Buffer.from(await readBlob(store, report)).toString()) as ImportReport
}
