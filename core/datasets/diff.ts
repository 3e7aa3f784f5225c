/** What tells two versions apart: in counts, and image by image. */
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { openTableSession, type TableSession } from '#core/tables'
import { DIFFERENCES, findDifferences, sharedViews, showSides, type DifferenceKind } from './compare.ts'
import { readManifest, type Manifest } from './manifest.ts'
import type { LabelSchema } from './schema.ts'
import { withScratch } from './scratch.ts'
import { viewsOf, type TablesOptions } from './tables.ts'
import type { Split } from './types.ts'

/** How many images differ in what way. An image may count in several; one that came or went counts in that alone. */
export interface VersionDiff extends Readonly<Record<Exclude<DifferenceKind, 'relabelled' | 'boxed'>, number>> {
  /** By the labels before and after, most images first; null is no label. */
  readonly relabelled: readonly Relabelled[]
  /** Images whose boxes differ. */
  readonly boxes: number
  /** Null where it is the same. */
  readonly schema: { readonly from: LabelSchema | null; readonly to: LabelSchema | null } | null
}

export interface Relabelled {
  readonly from: string | null
  readonly to: string | null
  readonly images: number
}

export interface DiffRow {
  readonly digest: string
  readonly kinds: readonly DifferenceKind[]
  /** Null where the image was not there, or is no longer. */
  readonly was: SaidOfImage | null
  readonly is: SaidOfImage | null
}

export interface SaidOfImage {
  readonly split: Split
  readonly label: string | null
  readonly tags: readonly string[] | null
  readonly excluded: string | null
}

export interface DiffRowsOptions {
  /** All by default. */
  readonly kind?: DifferenceKind | undefined
  /** Images that have this label before or after. */
  readonly label?: string | undefined
  /** Rows come ascending by digest; those after this one. */
  readonly after?: string | undefined
  readonly limit: number
}

/** A comparison that answers more than one question. To be closed. */
export interface Diff {
  readonly from: DatasetVersion['version']
  readonly to: DatasetVersion['version']
  counts(): Promise<VersionDiff>
  rows(options: DiffRowsOptions): Promise<readonly DiffRow[]>
  close(): void
}

type Named = Pick<DatasetVersion, 'dataset' | 'version'>

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function openDiff(
  store: ObjectStore,
  from: Named,
  to: Named,
  { scratchDir, ...options }: TablesOptions = {},
): Promise<Diff> {
  const versions = await Promise.all([from, to].map(({ dataset, version }) => readManifest(store, dataset, version)))
  const [a, b] = versions as [Manifest, Manifest]
  return new Promise((resolve, reject) => {
    withScratch(async (directory) => {
      const views = {
        ...(await sharedViews(store, [a, b], directory)),
        ...(await viewsOf(store, b, directory)),
      }
      const session = await openTableSession({ ...options, directory, views })
      try {
        const { was, is } = await showSides(session)
        await findDifferences(session, was, is)
        await new Promise<void>((closed) =>
          resolve({
            from: a.version,
            to: b.version,
            counts: () => countDifferences(session, a, b),
            rows: (wanted) => rowsOf(session, wanted),
            close: closed,
          }),
        )
      } finally {
        session.close()
      }
    }, scratchDir).catch(reject)
  })
}

async function withDiff<T>(store: ObjectStore, from: Named, to: Named, work: (diff: Diff) => Promise<T>): Promise<T> {
  const diff = await openDiff(store, from, to)
  return work(diff).finally(() => diff.close())
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export function diffVersions(store: ObjectStore, from: Named, to: Named): Promise<VersionDiff> {
  return withDiff(store, from, to, (diff) => diff.counts())
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export function diffRows(
  store: ObjectStore,
  from: Named,
  to: Named,
  options: DiffRowsOptions,
): Promise<readonly DiffRow[]> {
  return withDiff(store, from, to, (diff) => diff.rows(options))
}

/** Of the table `differences`. */
export async function countDifferences(
  session: TableSession,
  a: Pick<Manifest, 'schema'> | null,
  b: Pick<Manifest, 'schema'>,
): Promise<VersionDiff> {
  const counts = DIFFERENCES.map((kind) => `count(*) FILTER (WHERE ${kind}) AS ${kind}`).join(', ')
  const [all] = await session.query<Record<DifferenceKind, number>>(`SELECT ${counts} FROM differences`)
  const { relabelled: _, boxed, ...rest } = all!
  const relabelled = await session.query<Relabelled>(
    `SELECT "labelWas" AS "from", "labelIs" AS "to", count(*) AS images FROM differences WHERE relabelled
     GROUP BY ALL ORDER BY images DESC, "from" NULLS FIRST, "to" NULLS FIRST`,
  )
  const [from, to] = [a?.schema ?? null, b.schema]
  const schema = JSON.stringify(from) === JSON.stringify(to) ? null : { from, to }
  return { ...rest, relabelled, boxes: boxed, schema }
}

async function rowsOf(
  session: TableSession,
  { kind, label, after, limit }: DiffRowsOptions,
): Promise<readonly DiffRow[]> {
  const wanted = kind ?? 'true'
  const said = (time: 'Was' | 'Is'): string =>
    (['split', 'label', 'tags', 'excluded'] as const).map((column) => `'${column}': d."${column}${time}"`).join(', ')
  type Found = Readonly<Record<DifferenceKind | 'alike', boolean>> &
    Readonly<Record<'was' | 'is' | 'now', SaidOfImage | null>> & { readonly digest: string }
  const rows = await session.query<Found>(
    `SELECT d.digest, ${DIFFERENCES.map((name) => `d.${name}`).join(', ')}, d."splitWas" IS NULL AND d."splitIs" IS NULL AS alike,
       {${said('Was')}} AS was, {${said('Is')}} AS "is",
       {'split': l.split, 'label': l.label, 'tags': l.tags, 'excluded': l.excluded} AS now
     FROM (
       FROM differences WHERE ${wanted} AND digest > $1 AND ($2 IS NULL OR "labelWas" = $2 OR "labelIs" = $2)
       ORDER BY digest LIMIT ${Math.trunc(limit)}
     ) d LEFT JOIN labels l USING (digest) ORDER BY d.digest`,
    [after ?? '', label ?? null],
  )
  return rows.map(({ digest, alike, was, is, now, added, removed, ...kinds }) => ({
    digest,
    kinds: DIFFERENCES.filter((name) => ({ ...kinds, added, removed })[name]),
    was: added ? null : alike ? now : was,
    is: removed ? null : alike ? now : is,
  }))
}
