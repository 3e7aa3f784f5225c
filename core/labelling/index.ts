/**
 * Labelling: the engine that decides what people look at, the sessions in which they answer, and the certificate of what
 * came of it. Loading this face is cheap; the engine, and with it ONNX Runtime, loads with the first session hosted.
 */

import type { StepContext } from '#core/execution'
import type { annotate, StepInput, StepOutput } from '#core/steps'
import type { HostSessionOptions } from './host.ts'

export type {
  AnnotatorStats,
  Answer,
  ClassChange,
  Disagreement,
  Misfit,
  Reasons,
  Screen,
  SessionHost,
  SessionLabel,
  SessionState,
  Undone,
  Vote,
} from './types.ts'
export {
  addComment,
  listComments,
  readInstructions,
  writeInstructions,
  type Comment,
  type Instructions,
} from './notes.ts'
export type { HostSessionOptions } from './host.ts'
export type { CertificateReport, LookResult } from './certificate.ts'
export { verifyCertificate } from './verify.ts'
export { verifyStored, type SignatureState, type Verification, type VerifyOptions } from './verify-stored.ts'
export {
  findCertificate,
  listCertificates,
  readRevocation,
  revokeCertificate,
  type Revocation,
  type StoredCertificate,
} from './issued.ts'
export {
  carriedTo,
  certificateFor,
  certificatesOf,
  requireCertificate,
  revokeForDrift,
  standingOf,
  type Carried,
  type CertificateNote,
  type CertifiedVersion,
  type Standing,
} from './standing.ts'
export { readPlaces, type Place } from './line.ts'
export { KEYBOARD_SECONDS } from './cost-model.ts'
export {
  listSessions,
  readEvents,
  readOutcome,
  readRounds,
  requestStop,
  sessionRecord,
  type SessionOutcome,
  type SessionRecord,
} from './records.ts'
export { simulateAnnotator, type Oracle } from './simulate.ts'
export { connectSession } from './wire.ts'

/** The body of the `annotate` step: see `hostSessionOn`. */
export async function hostSession(
  input: StepInput<typeof annotate>,
  ctx: StepContext,
  options: HostSessionOptions,
): Promise<StepOutput<typeof annotate>> {
  const [{ hostSessionOn }, { openMaterial }] = await Promise.all([import('./host.ts'), import('./material.ts')])
  return hostSessionOn(openMaterial, input, ctx, options)
}
