/** The tables of a dataset version. Facts belong to the bytes of an image; labels and boxes to people and models. */

export type Split = 'train' | 'test'

/** One row per distinct stored image, ascending by digest. Sizes in pixels and bytes. */
export interface ImageFacts {
  /** SHA-256 of the image file's bytes. */
  readonly digest: string
  /** Digest of the pack that holds the bytes, and where in it; null where they stay at `uri`. */
  readonly pack: string | null
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
  /** Where the bytes stay when `pack` is null, and the ETag they had when they were read. */
  readonly uri: string | null
  readonly etag: string | null
  /** Mean luma, 0–1. Measures are null where nobody measured. */
  readonly brightness: number | null
  /** Standard deviation of luma, 0–0.5. */
  readonly contrast: number | null
  /** 0 sharp … 1 without any edge. */
  readonly blur: number | null
  /** Bits of the luma histogram, 0–8. */
  readonly entropy: number | null
  /** Mean chroma: 0 grey … 1. */
  readonly colour: number | null
  /** EXIF make and model. */
  readonly camera: string | null
  /** ISO 8601. */
  readonly takenAt: string | null
}

/** A row of facts with what only the look-up of near duplicates needs. */
export interface StoredFacts extends ImageFacts {
  /** `perceptualHash` of the image. */
  readonly look: string
}

/** A person's own judgement, a label accepted for the rest of a group a person judged, a model's, or imported. */
export type Origin = 'human' | 'inferred' | 'predicted' | 'imported'

/** One row per image, ascending by digest. */
export interface ImageLabel {
  readonly digest: string
  readonly split: Split
  readonly label: string | null
  /** Further classes, or words of one's own; ascending, each once, null where there are none. */
  readonly tags: readonly string[] | null
  /** A canonical JSON object of texts, numbers and truth values; null where there are none. */
  readonly attributes: string | null
  readonly origin: Origin | null
  /** A person looked at this very image (imported labels count as seen). */
  readonly humanSeen: boolean
  /** Drawn uniformly at random for a person to see, and so fit for an unbiased estimate. */
  readonly randomDraw: boolean
  /** Why it takes part in nothing: "broken", "do not know", "skipped". */
  readonly excluded: string | null
}

/** A rectangle with a class, in pixels of the upright image; ascending by digest and number. */
export interface Box {
  readonly digest: string
  /** From 0 in each image. */
  readonly number: number
  readonly class: string
  /** The corner nearest to the image's origin (top left), and the extent. */
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** As of labels. */
  readonly attributes: string | null
  readonly origin: Origin | null
}
