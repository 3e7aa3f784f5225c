import { batchRecord, batchResults, dropIn, listBatches, openDrop, type BatchRecord } from '#core/batch'
import { isPlatformError, PlatformError } from '#core/errors'
import type { Engine, RunReport } from '#core/runs'
import { putBlob, type ObjectStore } from '#core/storage'
import { BATCH_PIPELINE, type BatchFormat, type BatchPort } from '../ports.ts'
import type { BatchView } from '../schemas.ts'

const FORMATS = { 'results.csv': 'csv', 'results.json': 'json', 'gallery.html': 'html' } as const satisfies Record<
  BatchFormat,
  string
>

/** Tasks: how far they are stands in the store, whether they still run, their run knows. */
export function batchesOf(store: ObjectStore, engine: Engine): BatchPort {
  const view = async (record: BatchRecord | null, id: string): Promise<BatchView> => {
    const run = await engine.show(record?.run ?? id).catch(notFound)
    if (!record && run?.pipeline !== BATCH_PIPELINE)
      throw new PlatformError('BATCH_NOT_FOUND', `there is no batch task ${id}; list them with \`gyre batch list\``, {
        id,
      })
    return toView(id, record, run)
  }
  return {
    async list() {
      const records = await listBatches(store)
      const known = new Set(records.map(({ run }) => run))
      const beginning = (await engine.list()).filter(
        ({ id, pipeline }) => pipeline === BATCH_PIPELINE && !known.has(id),
      )
      const views = await Promise.all([
        ...records.map((record) => view(record, record.id)),
        ...beginning.map(({ id }) => view(null, id)),
      ])
      return views.sort((a, b) => b.startedAt.localeCompare(a.startedAt))
    },
    show: async (id) => view(await batchRecord(store, id).catch(notFound), id),
    results: (id, format) => batchResults(store, id, FORMATS[format]),
    drop: (id) => openDrop(store, id),
    keepBundle: (bundle) => putBlob(store, bundle),
  }
}

/** A task that has not got as far as its record is described by the parameters of its run. */
function toView(id: string, record: BatchRecord | null, run: RunReport | null): BatchView {
  const params = (run?.params ?? {}) as { model?: string; source?: string; dataset?: string }
  const failed = run?.steps.find(({ status }) => status === 'failed')
  return {
    id,
    model: record?.model ?? params.model ?? 'an algorithm',
    source: record?.source ?? sourceOf(params),
    status: run?.status ?? (record?.endedAt ? 'completed' : 'failed'),
    startedAt: record?.startedAt ?? run?.startedAt ?? '',
    endedAt: record?.endedAt ?? run?.endedAt ?? null,
    images: record?.images ?? null,
    done: record?.done ?? 0,
    failed: record?.failed ?? [],
    reason: failed?.reason ?? null,
    ready: Boolean(record?.results),
  }
}

function sourceOf({ source = '', dataset }: { readonly source?: string; readonly dataset?: string }): string {
  if (dataset) return `dataset ${dataset}`
  return dropIn(source) === null ? `folder ${source}` : 'dropped images'
}

function notFound(error: unknown): null {
  if (isPlatformError(error) && (error.code === 'BATCH_NOT_FOUND' || error.code === 'RUN_NOT_FOUND')) return null
  throw error
}
