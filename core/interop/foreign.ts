/** What files of other labelling tools say of images, in one shape whatever tool wrote them. */
import type { Notes } from '#core/imports'

/** One image of a file, under the name that the file gives it. */
export interface ForeignImage {
  /** A path, an address or a digest, as it stands in the file. */
  readonly name: string
  /** What the whole image shows; empty where somebody looked and chose nothing; null where nobody said anything. */
  readonly classes: readonly string[] | null
  /** Null where the file does not speak of boxes for this image. */
  readonly boxes: readonly ForeignBox[] | null
  /** People's word is a label; a model's is a prediction, which only steers what people are shown. */
  readonly by: 'people' | 'model'
}

export interface ForeignBox {
  readonly class: string
  /** Corner nearest to the origin, and extent. */
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** `pixels` of the upright image, or `share` of its width and height, 0–1. */
  readonly unit: 'pixels' | 'share'
}

export interface ForeignFile {
  readonly images: readonly ForeignImage[]
  /** Classes of whole images, in the order in which the file lists or first uses them. */
  readonly classes: readonly string[]
  /** What was not understood, in sentences. */
  readonly notes: Notes
}
