import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { toPlatformError } from '#core/errors'

/**
 * The one place where our errors become Temporal's: type = code, non-retryable where the catalogue says that trying
 * again cannot help. Cancellation is not an error and passes through.
 */
export function toFailure(error: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error
  const { code, message, details, retryable } = toPlatformError(error)
  return ApplicationFailure.create({ type: code, message, nonRetryable: !retryable, details: [details] })
}
