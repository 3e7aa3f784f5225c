/**
 * From the bytes of an image file to pixels. One decoder for import, training, evaluation and serving, so that a model
 * meets in service exactly the pixels that it was trained on.
 */

export {
  DECODER_VERSION,
  decodePixels,
  inspectImage,
  probeImage,
  thumbnail,
  type ImageHeader,
  type ImageInspection,
  type PixelSize,
} from './decode.ts'
export { imageOrigin, type ImageOrigin } from './exif.ts'
export { MEASURED_SIDE, measuresOf, type ImageMeasures } from './measures.ts'
export { encodePixels } from './sharp.ts'
export { imageFormats, SNIFF_BYTES, startsLikeImage, type ImageFormat } from './format.ts'
export { lookCodes, perceptualHash, type LookCodes } from './perceptual-hash.ts'
