/** The data of the pages: one hook per thing, refreshed while it can change. */
import { QueryClient, useInfiniteQuery, useMutation, useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useEffect } from 'react'
import { ApiProblem, get, post, segment } from './client.ts'
import type {
  BatchRow,
  BatchView,
  DatasetDetail,
  DatasetSummary,
  EndpointView,
  Health,
  ImagePage,
  Me,
  ModelDetail,
  ModelSummary,
  Permission,
  Person,
  RunReport,
  RunSummary,
  Session,
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
export const useDataset = (name: string) => useThing<DatasetDetail>(`/api/datasets/${segment(name)}`)
export const useSessions = () => useThing<readonly Session[]>('/api/sessions', LIVE_MS)
/** Sessions that wait for people now. */
export function useOpenSessions(): readonly Session[] {
  return useSessions().data?.filter(({ annotator, state }) => annotator === 'web' && state.status === 'open') ?? []
}

export const useRuns = () => useThing<readonly RunSummary[]>('/api/runs', LIVE_MS)
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
}

export function useImages(dataset: string, { label, split }: ImageFilter) {
  const filter = new URLSearchParams({ limit: '120', ...(label ? { label } : {}), ...(split ? { split } : {}) })
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
