import { isPlatformError, PlatformError } from '#core/errors'
import {
  compareRuns,
  readRun,
  readStepLog,
  runsBasedOn,
  type ComparedRun,
  type Engine,
  type RunRecord,
} from '#core/runs'
import type { ObjectStore } from '#core/storage'
import type { RunDetailsPort, RunOrigin } from '../ports.ts'

export function runDetailsOf(store: ObjectStore, engine: Pick<Engine, 'show'>): RunDetailsPort {
  const compared = async (run: string): Promise<ComparedRun> => {
    const [record, report] = await Promise.all([readRun(store, run), engine.show(run)])
    return { record, report }
  }
  return {
    async lineage(run) {
      const { by, cause, basedOn } = await readRun(store, run)
      return { by, cause: cause ?? null, basedOn: basedOn ?? null, derived: await derivedFrom(store, run) }
    },
    async log(run, step, after) {
      const { plan } = await readRun(store, run)
      if (!plan.nodes.some(({ id }) => id === step))
        throw new PlatformError(
          'INVALID_INPUT',
          `run "${run}" has no step "${step}"; its steps are ${plan.nodes.map(({ id }) => id).join(', ')}`,
          { run, step },
        )
      return readStepLog(store, run, step, after)
    },
    async compare(a, b) {
      const [was, is] = await Promise.all([compared(a), compared(b)])
      return compareRuns(was, is)
    },
  }
}

async function derivedFrom(store: ObjectStore, run: string): Promise<RunOrigin['derived']> {
  const derived = await Promise.all((await runsBasedOn(store, run)).map((id) => recordOf(store, id)))
  return derived.flatMap((record) => (record?.basedOn ? [{ id: record.run, kind: record.basedOn.kind }] : []))
}

/** null for a run whose start was cut short. */
async function recordOf(store: ObjectStore, run: string): Promise<RunRecord | null> {
  try {
    return await readRun(store, run)
  } catch (error) {
    if (isPlatformError(error) && error.code === 'RUN_NOT_FOUND') return null
    throw error
  }
}
