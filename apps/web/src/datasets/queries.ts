/** The data of the dataset pages. A version never changes, so what was asked of one is asked once. */
import { keepPreviousData, useMutation, useQueries, useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useMemo, useRef } from 'react'
import { ApiProblem, blobUrl, get, getBytes, post, put, remove, segment } from '../api/client.ts'
import { queryClient } from '../api/queries.ts'
import { conditionOf, type Filter } from './filter.ts'
import { readPoints, type Points } from './map-view.ts'
import { MARKED_AT_MOST } from './selection.ts'
import type {
  ChangeAction,
  Conflict,
  DatasetLineage,
  Decision,
  DiffRow,
  Facet,
  Facets,
  HealthReport,
  HistoryEntry,
  MergePolicy,
  Ref,
  Row,
  RowPage,
  SavedView,
  Value,
  VersionDiff,
} from './types.ts'

/** Images that one version holds, or those of them that fit a condition, in an order. */
export interface Shelf {
  readonly dataset: string
  readonly version: string
  readonly where: string
  readonly order: string
}

/** Rows of one answer. */
const PAGE = 200
/** Pages that nobody looks at are forgotten after this long: a person scrolls on, memory does not grow. */
const FORGET_MS = 20_000

/** While something is not made yet, it is looked for again. */
const AGAIN_MS = 5_000

/** Why something is not there, also while it is looked for again; `of` says what it is asked for. */
export function useLack(query: UseQueryResult<unknown, ApiProblem>, of: string): ApiProblem | null {
  const last = useRef<{ of: string; error: ApiProblem } | null>(null)
  if (query.error) last.current = { of, error: query.error }
  return query.data === undefined && last.current?.of === of ? last.current.error : null
}

export const api = (dataset: string, rest: string, params: Readonly<Record<string, string | number | null>> = {}) => {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(params)) if (value !== null && value !== '') search.set(key, String(value))
  return `/api/datasets/${segment(dataset)}/${rest}${search.size ? `?${search}` : ''}`
}

const rowPage = ({ dataset, version, where, order }: Shelf, from: number, count = PAGE) => {
  const path = api(dataset, 'rows', { ref: version, where, order, from, count })
  return {
    queryKey: [path],
    queryFn: ({ signal }: { signal: AbortSignal }) => get<RowPage>(path, signal),
    staleTime: Infinity,
    gcTime: FORGET_MS,
    retry: retries,
    retryDelay,
  }
}

/** What is being made is waited for; what fails in passing is asked again a few times. */
const retries = (failures: number, error: unknown) =>
  isBuilding(error) || (failures < 3 && error instanceof ApiProblem && error.passing)
const retryDelay = (failures: number, error: unknown) =>
  isBuilding(error) ? 1_000 : Math.min(8_000, 500 * 2 ** failures)

const isBuilding = (error: unknown): boolean => error instanceof ApiProblem && error.code === 'CATALOG_BUILDING'

export interface RowWindow {
  /** Null until it is known. */
  readonly total: number | null
  readonly rowAt: (at: number) => Row | undefined
  readonly error: unknown
  /** Why it takes longer. */
  readonly waiting: string | null
}

/** Stands outside of the hook, so that rows stay the same objects until an answer comes: scrolling then draws nothing anew. */
const joined = (results: readonly UseQueryResult<RowPage>[]) => ({
  rows: new Map(results.flatMap(({ data }) => data?.rows.map((row) => [row.row, row] as const) ?? [])),
  total: results.find(({ data }) => data)?.data?.total ?? null,
  error: results.find(({ error }) => error)?.error ?? null,
  waiting: results.find(({ failureReason }) => isBuilding(failureReason))?.failureReason?.message ?? null,
})

/** The rows [from, to) of a shelf, and how many there are; the first page is always held, since it tells. */
export function useRowWindow(shelf: Shelf, from: number, to: number): RowWindow {
  const first = Math.floor(from / PAGE)
  const last = Math.max(first, Math.ceil(to / PAGE) - 1)
  const wanted = [...new Set([0, ...Array.from({ length: last - first + 1 }, (_, index) => first + index)])]
  const pages = useQueries({
    queries: wanted.map((page) => rowPage(shelf, page * PAGE)),
    combine: joined,
  })
  return useMemo(() => ({ ...pages, rowAt: (at) => pages.rows.get(at) }), [pages])
}

/** Rows between two places, asked for when a person marks a span that reaches beyond what is shown. */
export async function fetchRows(shelf: Shelf, from: number, to: number): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (let page = Math.floor(from / PAGE); page * PAGE < to; page++)
    rows.push(...(await queryClient.fetchQuery(rowPage(shelf, page * PAGE))).rows)
  return rows.filter(({ row }) => row >= from && row < to)
}

/** One image of a version, wherever it stands. */
export function useRow(dataset: string, version: string, digest: string) {
  return useQuery({
    ...rowPage({ dataset, version, where: `digest = '${digest}'`, order: 'digest' }, 0, 1),
    select: ({ rows }) => rows[0] ?? null,
  })
}

const facetsQuery = (dataset: string, version: string, where: string) => {
  const path = api(dataset, 'facets', { ref: version, where })
  return {
    queryKey: [path],
    queryFn: ({ signal }: { signal: AbortSignal }) => get<Facets>(path, signal),
    staleTime: Infinity,
    retry: retries,
    retryDelay,
    placeholderData: keepPreviousData,
  }
}

/** What the images are made of. A column that is picked from is counted without that pick, so that more can be picked. */
export function useFacets(dataset: string, version: string, filter: Filter) {
  const columns = filter.picks.map(({ column }) => column)
  const conditions = [conditionOf(filter), ...columns.map((column) => conditionOf(filter, column))]
  return useQueries({
    queries: conditions.map((where) => facetsQuery(dataset, version, where)),
    combine: ([whole, ...open]) => {
      const openly = new Map(columns.map((column, index) => [column, open[index]?.data?.facets]))
      const facets = whole!.data?.facets.map(
        (facet): Facet => openly.get(facet.column)?.find(({ column }) => column === facet.column) ?? facet,
      )
      return { facets, total: whole!.data?.total ?? null, error: whole!.error }
    },
  })
}

const viewsPath = (dataset: string) => api(dataset, 'views')

export const useViews = (dataset: string) =>
  useQuery({ queryKey: [viewsPath(dataset)], queryFn: () => get<readonly SavedView[]>(viewsPath(dataset)) })

export const useSaveView = (dataset: string) =>
  useMutation<unknown, ApiProblem, SavedView>({
    mutationFn: ({ name, where, note }) => put(`${viewsPath(dataset)}/${segment(name)}`, { where, note }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: [viewsPath(dataset)] }),
  })

export const useRemoveView = (dataset: string) =>
  useMutation<void, ApiProblem, string>({
    mutationFn: (name) => remove(`${viewsPath(dataset)}/${segment(name)}`),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: [viewsPath(dataset)] }),
  })

export interface Change {
  readonly version: string
  readonly where?: string
  readonly digests?: readonly string[]
  readonly action: ChangeAction
  readonly label?: string
  readonly tag?: string
  readonly reason: string
}

/** Makes a new version; the dataset and its history are looked at again. */
export const useChange = (dataset: string) =>
  useMutation<{ version: string; images: number }, ApiProblem, Change>({
    mutationFn: (change) => post(api(dataset, 'changes'), change),
    onSuccess: () => queryClient.invalidateQueries({ predicate: ({ queryKey }) => !isOfVersion(queryKey[0]) }),
  })

/** Rows and facets are of one version for ever. */
const isOfVersion = (key: unknown): boolean =>
  typeof key === 'string' && /\/(rows|facets|map|codes|digests)\b/.test(key)

export interface Similar {
  readonly rows: readonly { readonly digest: string; /** Cosine, at most 1. */ readonly similarity: number }[]
}

/** Images that look like one of the dataset. */
export function useSimilar(dataset: string, version: string, digest: string, count: number) {
  const path = api(dataset, 'similar', { ref: version, digest, count })
  return useQuery<Similar, ApiProblem>({
    queryKey: [path],
    queryFn: ({ signal }) => get<Similar>(path, signal),
    staleTime: Infinity,
    retry: retries,
    retryDelay,
    enabled: digest !== '',
  })
}

/** Images that look like one that a person brings along. */
export const useSimilarTo = (dataset: string, version: string, count: number) =>
  useMutation<Similar, ApiProblem, File>({
    mutationFn: (file) => post<Similar>(api(dataset, 'similar', { ref: version, count }), file),
  })

/** Places of all images of a version, in the order of their digests. */
export function useMap(dataset: string, version: string) {
  const path = api(dataset, 'map', { ref: version })
  return useQuery<Points, ApiProblem>({
    queryKey: [path],
    queryFn: async ({ signal }) => readPoints(await getBytes(path, signal)),
    refetchInterval: ({ state }) => (state.error ? AGAIN_MS : false),
    staleTime: Infinity,
    gcTime: FORGET_MS,
    structuralSharing: false,
    retry: retries,
    retryDelay,
  })
}

export interface Codes {
  readonly column: string
  readonly values: readonly Value[]
  /** Images of each value. */
  readonly counts: readonly number[]
  /** Which value each image has, in the order of digests. */
  readonly codes: Uint8Array
}

/** One column of all images of a version, a byte an image. */
export function useCodes(dataset: string, version: string, column: string) {
  const path = api(dataset, 'codes', { ref: version, column })
  return useQuery<Codes, ApiProblem>({
    queryKey: [path],
    queryFn: async ({ signal }) => readCodes(column, await getBytes(path, signal)),
    staleTime: Infinity,
    gcTime: FORGET_MS,
    structuralSharing: false,
    retry: retries,
    retryDelay,
  })
}

/** As the API sends it: uint32 length of a JSON list of values, the list, then a byte an image. */
function readCodes(column: string, bytes: ArrayBuffer): Codes {
  const length = new DataView(bytes).getUint32(0, true)
  const values = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as Value[]
  const codes = new Uint8Array(bytes, 4 + length)
  const counts = new Array<number>(values.length).fill(0)
  for (const code of codes) counts[code]! += 1
  return { column, values, counts, codes }
}

/** The digests of images that are known by their place in the order of digests. */
export function useDigests(dataset: string, version: string, rows: readonly number[]) {
  const path = api(dataset, 'digests')
  return useQuery<readonly string[], ApiProblem>({
    queryKey: [path, version, rows],
    queryFn: async () => (await post<{ digests: string[] }>(path, { version, rows })).digests,
    staleTime: Infinity,
    gcTime: FORGET_MS,
    retry: retries,
    retryDelay,
    enabled: rows.length > 0,
  })
}

export function useLog(dataset: string, ref: string) {
  const path = api(dataset, 'log', { ref, limit: 1_000 })
  return useQuery<readonly HistoryEntry[], ApiProblem>({ queryKey: [path], queryFn: () => get(path), retry: retries })
}

export function useRefs(dataset: string) {
  const path = api(dataset, 'refs')
  return useQuery<readonly Ref[], ApiProblem>({ queryKey: [path], queryFn: () => get(path), retry: retries })
}

export function useDiff(dataset: string, from: string, to: string) {
  const path = api(dataset, 'diff', { from, to })
  return useQuery<VersionDiff, ApiProblem>({
    queryKey: [path],
    queryFn: ({ signal }) => get(path, signal),
    retry: retries,
    enabled: from !== '',
  })
}

interface DiffFilter {
  readonly from: string
  readonly to: string
  readonly kind: string
  readonly label: string | null
  readonly after: string | null
  readonly limit: number
}

export function useDiffRows(dataset: string, filter: DiffFilter) {
  const path = api(dataset, 'diff/rows', { ...filter })
  return useQuery<{ readonly rows: readonly DiffRow[] }, ApiProblem>({
    queryKey: [path],
    queryFn: ({ signal }) => get(path, signal),
    retry: retries,
  })
}

export interface MergeRequest {
  readonly ours: string
  readonly theirs: string
  readonly policies: readonly MergePolicy[]
  readonly decisions: readonly Decision[]
  readonly note: string
}

export const useMerge = (dataset: string) =>
  useMutation<{ version: string }, ApiProblem, MergeRequest>({
    mutationFn: (request) => post(api(dataset, 'merge'), request),
    onSuccess: () => queryClient.invalidateQueries({ predicate: ({ queryKey }) => !isOfVersion(queryKey[0]) }),
  })

/** What a refused merge asks; null where it failed otherwise. */
export function conflictsOf(error: ApiProblem | null): { conflicts: readonly Conflict[]; total: number } | null {
  const conflicts = error?.details['conflicts']
  if (!Array.isArray(conflicts)) return null
  return { conflicts: conflicts as Conflict[], total: Number(error!.details['total'] ?? conflicts.length) }
}

export function useDatasetHealth(dataset: string, version: string, against: string | null) {
  const path = api(dataset, 'health', { ref: version, against })
  return useQuery<HealthReport, ApiProblem>({
    queryKey: [path],
    queryFn: ({ signal }) => get(path, signal),
    retry: retries,
    refetchInterval: ({ state }) => (state.error ? AGAIN_MS : false),
  })
}

/** Digests in a blob, one a line; as many as an action takes. */
export function useList(sha256: string | null) {
  return useQuery<readonly string[], ApiProblem>({
    queryKey: ['list', sha256],
    queryFn: async ({ signal }) => {
      const text = new TextDecoder().decode(await getBytes(blobUrl(sha256!), signal))
      return text.split('\n').filter(Boolean).slice(0, MARKED_AT_MOST)
    },
    staleTime: Infinity,
    enabled: sha256 !== null,
  })
}

export function useLineage(dataset: string, ref: string) {
  const path = api(dataset, 'lineage', { ref })
  return useQuery<DatasetLineage, ApiProblem>({ queryKey: [path], queryFn: () => get(path), retry: retries })
}
