/** What this person set for the labelling page, read once and kept on the server. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { get, put, type ApiProblem } from '../api/client.ts'
import { queryClient } from '../api/queries.ts'
import type { Settings } from '../api/types.ts'
import type { KeySettings } from './key-map.ts'

const PATH = '/api/me/settings'

export const useSettings = () =>
  useQuery<Settings, ApiProblem>({ queryKey: [PATH], queryFn: () => get(PATH), staleTime: Infinity })

/** They change on the page at once, and on the server behind it. */
export const useSaveSettings = () =>
  useMutation<KeySettings, ApiProblem, KeySettings>({
    mutationFn: (settings) => put(PATH, settings),
    onMutate: (settings) => queryClient.setQueryData([PATH], settings),
    onError: () => queryClient.invalidateQueries({ queryKey: [PATH] }),
  })
