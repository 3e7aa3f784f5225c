/**
 * Endpoints: what they are in the store, how a model gets behind one, what their protocol says, and how requests are
 * batched and divided. Processes that serve are composed of this in apps/inference and apps/gateway.
 */

export { Batcher, type BatcherOptions, type Served } from './batcher.ts'
export {
  capturedImages,
  capturedPrediction,
  CaptureWriter,
  type CapturedImage,
  type CapturedPrediction,
} from './captures.ts'
export { predict, predictImage, type FilePrediction, type ImagePrediction, type Prediction } from './client.ts'
export { collectCaptured } from './collect.ts'
export { deployAlgorithm, type AlgorithmDeployment } from './deploy-algorithm.ts'
export { deployEndpoint, rollOut } from './deploy.ts'
export { discardBody } from './discard-body.ts'
export {
  announceGateway,
  closeEndpoint,
  createRevision,
  describeEndpoint,
  listEndpoints,
  liveRevisions,
  markRetired,
  readGatewayUrl,
  readRevision,
  readTraffic,
  retiredNumbers,
  revisionNumbers,
  trafficHistory,
  writeTraffic,
  type EndpointSummary,
  type RevisionRecord,
} from './endpoints.ts'
export {
  bestClass,
  deadlineOf,
  imageCount,
  imagesOf,
  modelMetadata,
  outputsOf,
  readInferBody,
  SERVER_METADATA,
  type ImageBatch,
  type Predictions,
  type ServedModel,
} from './image-model.ts'
export { answerMalformed, endWithParent, RequestGauge } from './lifetime.ts'
export {
  decodeRequest,
  encodeResponse,
  errorBody,
  HEADER_LENGTH,
  type InferRequest,
  type InferResponse,
  type InferTensor,
  type OutputTensor,
} from './oip.ts'
export { readObserved, recordObserved } from './observed.ts'
export { proveEndpoint } from './prove.ts'
export { ServiceTime } from './service-time.ts'
export { ShareSchedule } from './share-schedule.ts'
export { canaryShares, formerShares, promotedShares } from './shift.ts'
export { isIdle, listEndpointKeys, readShares, wantedRevisions, type EndpointKeys, type Shares } from './wanted.ts'
