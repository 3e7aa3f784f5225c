import { PlatformError } from '#core/errors'
import {
  compareRuns,
  listRunIds,
  readRun,
  readStepLog,
  type ComparedRun,
  type Engine,
  type RunRecord,
} from '#core/runs'
import type { ObjectStore } from '#core/storage'
import type { RunDetailsPort } from '../ports.ts'

export function runDetailsOf(store: ObjectStore, engine: Pick<Engine, 'show'>): RunDetailsPort {
  const bases = new Bases(store)
  const compared = async (run: string): Promise<ComparedRun> => {
    const [record, report] = await Promise.all([readRun(store, run), engine.show(run)])
    return { record, report }
  }
  return {
    async lineage(run) {
      const { by, cause, basedOn } = await readRun(store, run)
      return { by, cause: cause ?? null, basedOn: basedOn ?? null, derived: await bases.derivedFrom(run) }
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

/** Which run each run is based on. Records never change, so each is read once. */
class Bases {
  readonly #known = new Map<string, RunRecord['basedOn'] | null>()

  constructor(private readonly store: ObjectStore) {}

  async derivedFrom(run: string): Promise<readonly { id: string; kind: 'rerun' | 'fork' }[]> {
    const ids = await listRunIds(this.store)
    const bases = await Promise.all(ids.map(async (id) => ({ id, base: await this.#baseOf(id) })))
    return bases.flatMap(({ id, base }) => (base?.run === run ? [{ id, kind: base.kind }] : []))
  }

  async #baseOf(run: string): Promise<RunRecord['basedOn'] | null> {
    const known = this.#known.get(run)
    if (known !== undefined) return known
    const base = (await readRun(this.store, run)).basedOn ?? null
    this.#known.set(run, base)
    return base
  }
}
