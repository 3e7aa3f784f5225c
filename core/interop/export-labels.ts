/** What a session says of its images at any time, as a text that other tools read, piece by piece. */
import { openTables, type Box, type ImageFacts } from '#core/datasets'
import { connectSession, readOutcome, sessionRecord, type SessionLabel } from '#core/labelling'
import type { ObjectStore } from '#core/storage'
import { cvatText } from './cvat-writer.ts'
import { csvText, jsonLines } from './label-lines.ts'
import { labelStudioText } from './label-studio-writer.ts'

export const LABEL_FORMATS = ['csv', 'jsonl', 'label-studio', 'cvat'] as const
export type LabelFormat = (typeof LABEL_FORMATS)[number]

/** One image of a session. */
export interface LabelledImage extends SessionLabel, Pick<ImageFacts, 'source' | 'width' | 'height'> {
  readonly boxes: readonly Pick<Box, 'class' | 'x' | 'y' | 'width' | 'height'>[]
}

export interface LabelledSet {
  readonly session: string
  readonly dataset: string
  /** Whether an image may show several classes: then `tags` say it, and not `label`. */
  readonly task: 'single' | 'multi' | 'ordinal'
  readonly classes: readonly string[]
  readonly boxClasses: readonly string[]
  images(): AsyncIterable<LabelledImage>
}

export interface LabelExport {
  readonly contentType: string
  readonly fileName: string
  text(): AsyncIterable<string>
}

interface WriteOptions {
  /** What comes before each image's name, so that the other tool finds it. */
  readonly imageBase?: string | undefined
}

const WRITERS: Readonly<
  Record<
    LabelFormat,
    {
      readonly ending: string
      readonly contentType: string
      readonly write: (set: LabelledSet, options: WriteOptions) => AsyncIterable<string>
    }
  >
> = {
  csv: { ending: 'csv', contentType: 'text/csv; charset=utf-8', write: csvText },
  jsonl: { ending: 'jsonl', contentType: 'application/jsonl; charset=utf-8', write: jsonLines },
  'label-studio': { ending: 'json', contentType: 'application/json; charset=utf-8', write: labelStudioText },
  cvat: { ending: 'xml', contentType: 'application/xml; charset=utf-8', write: cvatText },
}

/**
 * The labels of a session as they are now; of an ended one as they were at its end.
 *
 * @throws {PlatformError} `SESSION_NOT_FOUND`; `SESSION_HOST_UNAVAILABLE` while an open session has no host.
 */
export async function exportLabels(
  store: ObjectStore,
  session: string,
  { format, imageBase }: { readonly format: LabelFormat } & WriteOptions,
): Promise<LabelExport> {
  const set = await labelledSet(store, session)
  const { ending, contentType, write } = WRITERS[format]
  return { contentType, fileName: `${session}.${ending}`, text: () => write(set, { imageBase }) }
}

/** The same pieces in blocks of about 64 KiB: small writes cost a stream more than what they carry. */
export async function* inBlocks(pieces: AsyncIterable<string>): AsyncIterable<string> {
  let block = ''
  for await (const piece of pieces) {
    block += piece
    if (block.length < BLOCK) continue
    yield block
    block = ''
  }
  if (block) yield block
}

const BLOCK = 1 << 16

export async function labelledSet(store: ObjectStore, session: string): Promise<LabelledSet> {
  const { dataset, version, classes, task = 'single' } = await sessionRecord(store, session)
  const ended = await readOutcome(store, session)
  const of = { dataset, version: ended?.output.version.version ?? version }
  const host = ended ? null : await connectSession(store, session)
  const now = host ? (await host.state()).classes : (ended?.state.classes ?? classes)
  return {
    ...{ session, dataset, task, classes: now },
    boxClasses: await boxClasses(store, of),
    images: () => joined(store, of, host ? host.labels() : null, task === 'multi' ? now : null),
  }
}

async function boxClasses(store: ObjectStore, version: { dataset: string; version: string }): Promise<string[]> {
  const tables = await openTables(store, version)
  try {
    const names = await tables.query<{ name: string }>('SELECT DISTINCT class AS name FROM boxes ORDER BY name')
    return names.map(({ name }) => name)
  } finally {
    tables.close()
  }
}

type Row = Pick<ImageFacts, 'digest' | 'source' | 'width' | 'height'> & {
  readonly label: string | null
  readonly tags: readonly string[] | null
  readonly origin: string | null
  readonly humanSeen: boolean
  readonly excluded: string | null
  readonly boxes: string | null
}

/** Both sides ascend by digest, so that neither is held in memory. */
async function* joined(
  store: ObjectStore,
  version: { dataset: string; version: string },
  said: AsyncIterable<SessionLabel> | null,
  asked: readonly string[] | null,
): AsyncIterable<LabelledImage> {
  const tables = await openTables(store, version)
  const labels = said?.[Symbol.asyncIterator]()
  try {
    let label = await labels?.next()
    for await (const rows of tables.batches<Row>(ROWS))
      for (const row of rows) {
        const { source, width, height } = row
        const boxes = row.boxes === null ? [] : (JSON.parse(row.boxes) as LabelledImage['boxes'])
        while (label && !label.done && label.value.digest < row.digest) label = await labels!.next()
        if (!labels) yield { ...stored(row, asked), source, width, height, boxes }
        else if (label && !label.done && label.value.digest === row.digest)
          yield { ...label.value, source, width, height, boxes }
      }
  } finally {
    await labels?.return?.(undefined)
    tables.close()
  }
}

const ROWS = `
  WITH drawn AS (
    SELECT digest, to_json(list({'class': class, 'x': x, 'y': y, 'width': width, 'height': height} ORDER BY number))::VARCHAR AS boxes
    FROM boxes GROUP BY digest)
  SELECT f.digest, f.source, f.width, f.height, l.label, l.tags, l.origin, l."humanSeen", l.excluded, drawn.boxes
  FROM facts f JOIN labels l USING (digest) LEFT JOIN drawn USING (digest) ORDER BY f.digest`

function stored(
  { digest, label, tags, origin, humanSeen, excluded }: Row,
  asked: readonly string[] | null,
): SessionLabel {
  return {
    ...{ digest, humanSeen, excluded, annotators: [], at: null },
    label: asked ? null : label,
    ...(asked && { tags: (tags ?? []).filter((tag) => asked.includes(tag)) }),
    origin: origin === null ? null : origin === 'predicted' ? 'predicted' : 'human',
  }
}
