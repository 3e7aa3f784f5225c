/** Which columns have facets, in the order in which they are shown. */

/** One bucket a value. */
export const VALUES = [
  'label',
  'split',
  'origin',
  'humanSeen',
  'excluded',
  'tags',
  'boxClasses',
  'format',
  'camera',
] as const

/** Ranges of numbers. */
export const HISTOGRAMS = [
  'brightness',
  'contrast',
  'blur',
  'entropy',
  'colour',
  'width',
  'height',
  'sizeBytes',
  'boxes',
] as const
