/** What the HTTP API answers about datasets, as `/api/openapi.json` describes it. */

export type Origin = 'human' | 'inferred' | 'predicted' | 'imported'

/** One image in one version; `row` counts from 0 in the order that was asked for. */
export interface Row {
  readonly row: number
  readonly digest: string
  readonly width: number
  readonly height: number
  readonly sizeBytes: number
  readonly format: string
  readonly source: string
  readonly group: string | null
  readonly split: 'train' | 'test'
  readonly label: string | null
  readonly tags: readonly string[] | null
  /** Canonical JSON object. */
  readonly attributes: string | null
  readonly origin: Origin | null
  readonly humanSeen: boolean
  /** Why it is left out; null where it is not. */
  readonly excluded: string | null
  /** How many, and of which classes. */
  readonly boxes: number
  readonly boxClasses: readonly string[] | null
  readonly brightness: number | null
  readonly contrast: number | null
  readonly blur: number | null
  readonly entropy: number | null
  readonly colour: number | null
  readonly camera: string | null
  readonly takenAt: string | null
}

export interface RowPage {
  readonly version: string
  readonly total: number
  readonly rows: readonly Row[]
}

export type Value = string | number | boolean | null

export interface Bucket {
  readonly value?: Value
  readonly from?: number
  readonly to?: number
  /** Its end belongs to it, and not to a bucket after it. */
  readonly isLast?: boolean
  readonly images: number
}

export interface Facet {
  readonly column: string
  readonly kind: 'values' | 'histogram'
  readonly buckets: readonly Bucket[]
  /** There are more values than these. */
  readonly more: boolean
}

export interface Facets {
  readonly total: number
  readonly facets: readonly Facet[]
}

export interface SavedView {
  readonly name: string
  readonly where: string
  readonly note: string
}

export type ChangeAction = 'exclude' | 'include' | 'label' | 'ask' | 'tag'

export type { DiffRow, Relabelled, SaidOfImage, VersionDiff } from '../../../../core/datasets/diff.ts'
export type { DifferenceKind } from '../../../../core/datasets/compare.ts'
export type { HistoryEntry } from '../../../../core/datasets/history.ts'
export type { Conflict, Decision, MergePolicy } from '../../../../core/datasets/merge.ts'
export type { Ref } from '../../../../core/datasets/refs.ts'
export type { Finding, HealthReport } from '../../../../core/health/report.ts'
export type { DatasetLineage } from '../../../../core/lineage/lineage.ts'
