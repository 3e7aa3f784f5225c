/** From packs to trainers: the images of a version in a shuffled, shared and resumable order. docs/streaming.md. */

export { describeStream, type StreamDescription } from './describe.ts'
export { ImageStream, openStream, type DecodedSample, type StreamOptions, type StreamPlace } from './stream.ts'
export type { Sample } from './read-ahead.ts'
export type { Span } from './order.ts'
