import { PlatformError, type ErrorDetails } from '#core/errors'

/**
 * Ends a step of yours for good: nobody tries again, and the message is what people see as the cause. Anything else that
 * a step throws is tried again.
 *
 * @param message - the thing, the value, the bound, the remedy, in one sentence.
 */
export function fail(message: string, details: ErrorDetails = {}): never {
  throw new PlatformError('STEP_FAILED', message, details)
}
