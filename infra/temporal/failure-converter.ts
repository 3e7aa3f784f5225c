/**
 * Puts messages and stack traces of failures into a payload, so that the codec encrypts them too. Loaded by path: in the
 * worker and, bundled, in the sandbox of its workflows. Reading such failures needs nothing special.
 */

import { DefaultFailureConverter } from '@temporalio/common'

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
