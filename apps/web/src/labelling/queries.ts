/** What the lead of a session looks at, and how it is changed. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { get, post, segment, type ApiProblem } from '../api/client.ts'
import { queryClient } from '../api/queries.ts'
import type { AnnotatorStats, Comment, Disagreement, Instructions, Session } from '../api/types.ts'

const LIVE_MS = 3_000
export const DISPUTES_AT_ONCE = 100

export const sessionPath = (id: string, rest = ''): string => `/api/sessions/${segment(id)}${rest}`

function useLive<T>(path: string, refetchInterval: number | false = LIVE_MS) {
  return useQuery<T, ApiProblem>({ queryKey: [path], queryFn: () => get(path), refetchInterval })
}

export const useSession = (id: string) => useLive<Session>(sessionPath(id))
export const useAnnotators = (id: string) => useLive<readonly AnnotatorStats[]>(sessionPath(id, '/people'))
export const useComments = (id: string) => useLive<readonly Comment[]>(sessionPath(id, '/comments'))
export const useDisagreements = (id: string, after: string | null) =>
  useLive<readonly Disagreement[]>(
    sessionPath(id, `/disagreements?count=${DISPUTES_AT_ONCE}${after === null ? '' : `&after=${after}`}`),
  )
export const useInstructions = (id: string) =>
  useQuery<Instructions, ApiProblem>({
    queryKey: [sessionPath(id, '/instructions')],
    queryFn: () => get(sessionPath(id, '/instructions')),
    staleTime: 60_000,
  })

/** Does one thing to the session, then looks again at all that is said of it. */
export function useChange<T = unknown>(
  id: string,
  rest: string,
  how: <R>(path: string, body: unknown) => Promise<R> = post,
) {
  const path = sessionPath(id, rest)
  return useMutation<T, ApiProblem, unknown>({
    mutationFn: (body) => how<T>(path, body),
    onSuccess: () =>
      queryClient.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[0]).startsWith(sessionPath(id)) }),
  })
}
