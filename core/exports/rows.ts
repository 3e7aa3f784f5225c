/** What an export reads of a version: every image that takes part, with all that is said of it, in the order of the packs. */
import { openTables, readImages, type Box, type ImageFacts, type ImageLabel } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'

type BoxOfRow = Pick<Box, 'class' | 'x' | 'y' | 'width' | 'height'> & {
  readonly attributes: Readonly<Record<string, unknown>> | null
}

/** One image. */
export interface ExportRow
  extends
    Pick<
      ImageFacts,
      'digest' | 'pack' | 'offset' | 'sizeBytes' | 'width' | 'height' | 'format' | 'source' | 'uri' | 'etag'
    >,
    Pick<ImageLabel, 'split' | 'label' | 'tags' | 'attributes' | 'origin' | 'humanSeen' | 'randomDraw'> {
  /** A JSON list of boxes; null where there are none. */
  readonly boxes: string | null
}

export function boxesOf({ boxes }: ExportRow): readonly BoxOfRow[] {
  return boxes === null ? [] : (JSON.parse(boxes) as BoxOfRow[])
}

/** What a version holds, in counts of images: a writer says by them what it cannot express. */
export interface Census {
  /** That take part. */
  readonly images: number
  readonly sizeBytes: number
  readonly excluded: number
  readonly labelled: number
  /** Labelled by people or models of this platform, whose account of it no import reads. */
  readonly accounted: number
  readonly tagged: number
  readonly attributed: number
  readonly boxed: number
  readonly boxesAttributed: number
}

export interface ExportSource {
  readonly census: Census
  /** Classes of labels and of boxes that are used, ascending. */
  readonly classes: readonly string[]
  readonly boxClasses: readonly string[]
  /** A few thousand at a time. */
  rows(): AsyncIterable<readonly ExportRow[]>
  close(): void
}

const TAKING_PART = 'FROM facts f JOIN labels l USING (digest) WHERE l.excluded IS NULL'

export async function openExportSource(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  scratchDir: string,
): Promise<ExportSource> {
  const tables = await openTables(store, version, { scratchDir })
  try {
    const names = async (sql: string): Promise<string[]> =>
      (await tables.query<{ name: string }>(sql)).map(({ name }) => name)
    return {
      census: await censusOf(tables),
      classes: await names(`SELECT DISTINCT l.label AS name ${TAKING_PART} AND l.label IS NOT NULL ORDER BY name`),
      boxClasses: await names(`SELECT DISTINCT class AS name FROM boxes ORDER BY name`),
      rows: () => rowsOf(tables),
      close: () => tables.close(),
    }
  } catch (error) {
    tables.close()
    throw error
  }
}

async function censusOf(tables: TableSession): Promise<Census> {
  const [census] = await tables.query<Census>(`
    SELECT count(*) AS images, coalesce(sum(f."sizeBytes"), 0)::DOUBLE AS "sizeBytes",
      (SELECT count(*) FROM labels WHERE excluded IS NOT NULL) AS excluded,
      count(l.label) AS labelled, count(l.label) FILTER (l.origin <> 'imported') AS accounted,
      count(l.tags) AS tagged, count(l.attributes) AS attributed,
      (SELECT count(DISTINCT digest) FROM boxes) AS boxed,
      (SELECT count(*) FROM boxes WHERE attributes IS NOT NULL) AS "boxesAttributed"
    ${TAKING_PART}`)
  return census!
}

function rowsOf(tables: TableSession): AsyncIterable<readonly ExportRow[]> {
  return tables.batches<ExportRow>(`
    WITH drawn AS (
      SELECT digest, to_json(list({'class': class, 'x': x, 'y': y, 'width': width, 'height': height,
        'attributes': attributes::JSON} ORDER BY number))::VARCHAR AS boxes
      FROM boxes GROUP BY digest)
    SELECT f.digest, f.pack, f."offset", f."sizeBytes", f.width, f.height, f.format, f.source, f.uri, f.etag,
      l.split, l.label, l.tags, l.attributes, l.origin, l."humanSeen", l."randomDraw", drawn.boxes
    FROM facts f JOIN labels l USING (digest) LEFT JOIN drawn USING (digest)
    WHERE l.excluded IS NULL ORDER BY f.pack, f."offset"`)
}

/** The bytes of some rows of one batch, in their order. */
export async function* bytesOf(
  store: ObjectStore,
  rows: readonly ExportRow[],
): AsyncIterable<{ readonly row: ExportRow; readonly bytes: Uint8Array }> {
  const byDigest = new Map(rows.map((row) => [row.digest, row]))
  for await (const { digest, bytes } of readImages(store, rows as unknown as readonly ImageFacts[]))
    yield { row: byDigest.get(digest)!, bytes }
}
