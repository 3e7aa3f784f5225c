/** The two tables of a dataset version. Facts belong to the bytes of an image; labels belong to people and models. */

export type Split = 'train' | 'test'

/** One row per distinct stored image, ascending by digest. Sizes in pixels and bytes. */
export interface ImageFacts {
  /** SHA-256 of the image file's bytes. */
  readonly digest: string
  /** Digest of the pack that holds the bytes, and where in it. */
  readonly pack: string
  readonly offset: number
  readonly sizeBytes: number
  /** After EXIF rotation. */
  readonly width: number
  readonly height: number
  readonly format: 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif'
  /** Digest of the first image of its group of near duplicates (its own where it stands alone). */
  readonly group: string
  /** Opaque to the engine: shown to people, never read for meaning. */
  readonly source: string
}

/** One row per image, ascending by digest. */
export interface ImageLabel {
  readonly digest: string
  readonly split: Split
  readonly label: string | null
  /** A person's own judgement, a label accepted for the rest of a group a person judged, a model's, or imported. */
  readonly origin: 'human' | 'inferred' | 'predicted' | 'imported' | null
  /** A person looked at this very image (imported labels count as seen). */
  readonly humanSeen: boolean
  /** Drawn uniformly at random for a person to see, and so fit for an unbiased estimate. */
  readonly randomDraw: boolean
  /** Why it takes part in nothing: "broken", "do not know", "skipped". */
  readonly excluded: string | null
}
