import { CATALOGUE, type ErrorCode } from './catalogue.ts'

export type ErrorDetails = Readonly<Record<string, unknown>>

/** An expected failure, fit to be shown to a person. Cancellation is not an error: it is rethrown as it came. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError'

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }

  /** Whether the same call, made again, can succeed without anybody mending anything. */
  get retryable(): boolean {
    return CATALOGUE[this.code].retryable
  }

  get exitCode(): number {
    return CATALOGUE[this.code].exitCode
  }

  get httpStatus(): number {
    return CATALOGUE[this.code].httpStatus
  }
}

export function isPlatformError(error: unknown): error is PlatformError {
  return error instanceof Error && error.name === 'PlatformError' && 'code' in error
}

/** Wraps what is not ours as `INTERNAL`, keeping the first line of its message; ours passes through. */
export function toPlatformError(error: unknown): PlatformError {
  if (isPlatformError(error)) return error
  const system = error as NodeJS.ErrnoException
  if (system?.code === 'ENOSPC')
    return new PlatformError(
      'STORE_DISK_FULL',
      'the disk that holds the store is full; free some space and resume',
      {},
      { cause: error },
    )
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
  return new PlatformError('INTERNAL', message || 'an unexpected failure without a message', {}, { cause: error })
}
