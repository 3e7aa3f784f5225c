/** The one way to a Temporal server, for workers, the API and the command line: settings, connection, encryption, checks. */

export {
  heartbeats,
  namesServer,
  temporalSettings,
  withoutOwnServer,
  type TemporalSettings,
  type TlsSettings,
} from './settings.ts'
export type { CodecKeys } from './codec-keys.ts'
export { createCodec } from './codec.ts'
export {
  connectClient,
  connectionOptions,
  dataConverter,
  workerDataConverter,
  workflowBundlePath,
} from './connection.ts'
export { checkTemporal, prepareTemporal, type CheckOptions } from './check.ts'
export { SEARCH_ATTRIBUTES } from './search-attributes.ts'
