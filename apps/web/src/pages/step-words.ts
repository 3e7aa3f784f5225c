import type { StepOrigin } from '../api/types.ts'

const ORIGINS: Readonly<Record<string, string>> = {
  ran: 'ran',
  hit: 'from the cache',
  recovered: 'kept from before',
  reused: 'taken over',
} satisfies Partial<Record<StepOrigin, string>> & Record<string, string>

/** Where a result came from. */
export const originWord = (origin: StepOrigin | null): string => (origin ? (ORIGINS[origin] ?? origin) : '')

/** The address of a run with one of its steps open. */
export const stepSearch = (step: string): string => `?step=${encodeURIComponent(step)}`
