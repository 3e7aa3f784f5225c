/** The few figures of statistics that a report needs. */

/** 97.5 % quantile of the standard normal distribution. */
const Z = 1.959963984540054

/**
 * Two-sided 95 % interval for a share (Wilson, JASA 1927): honest for few images and for shares near 0 and 1.
 *
 * @param total - at least 1.
 */
export function wilsonInterval(right: number, total: number): [low: number, high: number] {
  const share = right / total
  const spread = (Z * Z) / total
  const centre = share + spread / 2
  const half = Z * Math.sqrt((share * (1 - share)) / total + spread / (4 * total))
  // At shares 0 and 1 the bound is exact; rounding must not push it outside.
  const low = right === 0 ? 0 : (centre - half) / (1 + spread)
  const high = right === total ? 1 : (centre + half) / (1 + spread)
  return [low, high]
}

/**
 * Exact two-sided p-value of McNemar's test: how surprising is this split of the images that only one of two models
 * got right, if both were equally good? (McNemar, Psychometrika 1947; the binomial form.)
 */
export function mcNemar(onlyFirst: number, onlySecond: number): number {
  const total = onlyFirst + onlySecond
  if (total === 0) return 1
  let tail = 0
  // C(total, k) / 2^total by its logarithm: neither factor fits a double beyond a thousand images.
  let logChance = -total * Math.LN2
  for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) {
    tail += Math.exp(logChance)
    logChance += Math.log((total - k) / (k + 1))
  }
  return Math.min(1, 2 * tail)
}

export interface CalibrationBin {
  /** Scores in (from, to]. */
  readonly from: number
  readonly to: number
  readonly images: number
  /** Null where the bin is empty. */
  readonly meanScore: number | null
  readonly accuracy: number | null
}

export interface Calibration {
  /** Mean distance between score and accuracy over the images (expected calibration error; Guo et al., ICML 2017). */
  readonly error: number
  readonly bins: readonly CalibrationBin[]
}

const BINS = 10

/** @param judged - at least one; `score` is what the model claims for its answer, 0–1. */
export function calibrate(judged: readonly { readonly score: number; readonly right: boolean }[]): Calibration {
  const bins = Array.from({ length: BINS }, (_, i): CalibrationBin => {
    const [from, to] = [i / BINS, (i + 1) / BINS]
    const inside = judged.filter(({ score }) => Math.min(BINS - 1, Math.max(0, Math.ceil(score * BINS) - 1)) === i)
    const images = inside.length
    if (images === 0) return { from, to, images, meanScore: null, accuracy: null }
    const meanScore = inside.reduce((sum, { score }) => sum + score, 0) / images
    return { from, to, images, meanScore, accuracy: inside.filter(({ right }) => right).length / images }
  })
  const error = bins.reduce((sum, bin) => sum + bin.images * Math.abs((bin.accuracy ?? 0) - (bin.meanScore ?? 0)), 0)
  return { error: error / judged.length, bins }
}
