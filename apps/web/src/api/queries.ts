/** The data of the pages: one hook per thing, refreshed while it can change. */
import { QueryClient, useInfiniteQuery, useMutation, useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { ApiProblem, get, post, segment } from './client.ts'
import type {
  BatchRow,
  BatchView,
  DatasetDetail,
  DatasetSummary,
  EndpointView,
  Forecast,
  Health,
  ImagePage,
  LogLine,
  LogPage,
  Me,
  ModelDetail,
  ModelSummary,
  Peek,
  Permission,
  Person,
  RunComparison,
  RunLineage,
  RunReport,
  RunSummary,
  Session,
  WaitingApproval,
} from './types.ts'

const LIVE_MS = 2_000
const CALM_MS = 15_000

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      retry: (failures, error) => failures < 3 && error instanceof ApiProblem && error.passing,
    },
  },
})

function useThing<T>(path: string, refetchMs: number | false = CALM_MS, enabled = true): UseQueryResult<T> {
  return useQuery<T>({
    queryKey: [path],
    queryFn: () => get<T>(path),
    refetchInterval: refetchMs,
    enabled,
  })
}

export const useHealth = () => useThing<Health>('/api/health', false)
export const useMe = () => useThing<Me>('/api/me', false)
export const usePeople = (enabled: boolean) => useThing<readonly Person[]>('/api/users', CALM_MS, enabled)
export const useDatasets = () => useThing<readonly DatasetSummary[]>('/api/datasets')
export const useDataset = (name: string, ref = 'latest', enabled = true) =>
  useThing<DatasetDetail>(`/api/datasets/${segment(name)}?ref=${segment(ref)}`, CALM_MS, enabled)
export const useSessions = () => useThing<readonly Session[]>('/api/sessions', LIVE_MS)
/** Sessions that wait for people now. */
export function useOpenSessions(): readonly Session[] {
  return useSessions().data?.filter(({ annotator, state }) => annotator === 'web' && state.status === 'open') ?? []
}

export const useRuns = () => useThing<readonly RunSummary[]>('/api/runs', LIVE_MS)
export const useLineage = (run: string) => useThing<RunLineage>(`/api/runs/${segment(run)}/lineage`)
export const useComparison = (a: string, b: string) =>
  useThing<RunComparison>(`/api/runs/${segment(a)}/compare/${segment(b)}`)
/** What a re-run from a step would do. */
export function useForecast(run: string, step: string, params: Readonly<Record<string, unknown>>) {
  const path = `/api/runs/${segment(run)}/rerun/plan`
  return useQuery<Forecast>({
    queryKey: [path, step, params],
    queryFn: () => post<Forecast>(path, { from: [step], params }),
    retry: false,
  })
}

export const useApprovals = () => useThing<readonly WaitingApproval[]>('/api/approvals', LIVE_MS)
export const usePeek = (sha256: string, enabled: boolean) => useThing<Peek>(`/api/blobs/${sha256}/peek`, false, enabled)

const LOG_MS = 1_000

/** What a step said so far; reads on while more can come, and once after. */
export function useStepLog(run: string, step: string, live: boolean): { lines: readonly LogLine[]; error: unknown } {
  const [log, setLog] = useState<{ lines: readonly LogLine[]; error: unknown }>({ lines: [], error: null })
  const next = useRef(0)
  useEffect(() => {
    let timer: number | undefined
    let left = false
    const read = async () => {
      const path = `/api/runs/${segment(run)}/steps/${segment(step)}/log`
      const page = await get<LogPage>(`${path}?after=${next.current}`).catch((error: unknown) => {
        if (!left) setLog((before) => ({ ...before, error }))
        return null
      })
      if (left) return
      const isMore = page !== null && page.next !== next.current
      if (page) next.current = page.next
      if (page && isMore) setLog(({ lines }) => ({ lines: [...lines, ...page.lines], error: null }))
      if (isMore || live) timer = window.setTimeout(() => void read(), isMore ? 0 : LOG_MS)
    }
    void read()
    return () => {
      left = true
      window.clearTimeout(timer)
    }
  }, [run, step, live])
  return log
}

export const useModels = () => useThing<readonly ModelSummary[]>('/api/models')
export const useModel = (name: string) => useThing<ModelDetail>(`/api/models/${segment(name)}`)
export const useEndpoints = () => useThing<readonly EndpointView[]>('/api/endpoints', LIVE_MS)
export const useBatches = () => useThing<readonly BatchView[]>('/api/batches', LIVE_MS)
export const useBatch = (id: string) => useThing<BatchView>(`/api/batches/${segment(id)}`, LIVE_MS)
export const useBatchRows = (id: string, ready: boolean) =>
  useThing<readonly BatchRow[]>(`/api/batches/${segment(id)}/results.json`, false, ready)

export function useMay(permission: Permission): boolean {
  return useMe().data?.permissions.includes(permission) ?? false
}

export interface ImageFilter {
  readonly label: string | null
  readonly split: string | null
  /** A version or a name of one; the newest where left out. */
  readonly ref?: string
  readonly limit?: number
}

export function useImages(dataset: string, { label, split, ref, limit = 120 }: ImageFilter) {
  const filter = new URLSearchParams({
    limit: String(limit),
    ...(label ? { label } : {}),
    ...(split ? { split } : {}),
    ...(ref ? { ref } : {}),
  })
  return useInfiniteQuery({
    queryKey: ['images', dataset, filter.toString()],
    queryFn: ({ pageParam }) =>
      get<ImagePage>(
        `/api/datasets/${segment(dataset)}/images?${filter}${pageParam ? `&cursor=${segment(pageParam)}` : ''}`,
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next,
  })
}

/** A run, kept as it is by the server's events for as long as it changes. */
export function useRun(id: string): UseQueryResult<RunReport> {
  const path = `/api/runs/${segment(id)}`
  const run = useThing<RunReport>(path, false)
  const over = run.data ? isOver(run.data.status) : true
  useEffect(() => {
    if (over) return
    const events = new EventSource(`${path}/events`)
    events.addEventListener('report', (event) => {
      const report = JSON.parse((event as MessageEvent<string>).data) as RunReport
      queryClient.setQueryData([path], report)
      if (isOver(report.status)) events.close()
    })
    return () => events.close()
  }, [path, over])
  return run
}

export function isOver(status: RunSummary['status']): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

/** Posts, then looks again at everything that may have changed. */
export function useAction<T = unknown>(path: string) {
  return useMutation<T, ApiProblem, unknown>({
    mutationFn: (body) => post<T>(path, body ?? {}),
    onSuccess: () => queryClient.invalidateQueries(),
  })
}
