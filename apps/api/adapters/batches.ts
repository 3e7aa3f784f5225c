import path from 'node:path'
import { batchRecord, batchResults, listBatches, type BatchRecord } from '#core/batch'
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
export function batchesOf(store: ObjectStore, engine: Engine, uploadsDir: string): BatchPort {
  const view = async (record: BatchRecord | null, id: string): Promise<BatchView> => {
    const run = await engine.show(record?.run ?? id).catch(notFound)
    if (!record && run?.pipeline !== BATCH_PIPELINE)
      throw new PlatformError('BATCH_NOT_FOUND', `there is no batch task ${id}; list them with \`gyre batch list\``, {
        id,
      })
    return toView(id, record, run, uploadsDir)
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
    keepBundle: (bundle) => putBlob(store, bundle),
  }
}

/** A task that has not got as far as its record is described by the parameters of its run. */
function toView(id: string, record: BatchRecord | null, run: RunReport | null, uploadsDir: string): BatchView {
  const params = (run?.params ?? {}) as { model?: string; source?: string; dataset?: string }
  const failed = run?.steps.find(({ status }) => status === 'failed')
  return {
    id,
    model: record?.model ?? params.model ?? 'an algorithm',
    source: sourceOf(
      record?.source ?? (params.dataset ? `dataset ${params.dataset}` : `folder ${params.source}`),
      uploadsDir,
    ),
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

/** Where dropped images lie is nobody's business. */
function sourceOf(source: string, uploadsDir: string): string {
  return source.startsWith(`folder ${uploadsDir}${path.sep}`) ? 'dropped images' : source
}

function notFound(error: unknown): null {
  if (isPlatformError(error) && (error.code === 'BATCH_NOT_FOUND' || error.code === 'RUN_NOT_FOUND')) return null
  throw error
}
