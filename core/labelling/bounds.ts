/**
 * Upper bounds for what nobody counted: how often people overlook a misfit, and how many wrong labels a set still holds
 * after a random sample of it was checked by people who overlook some.
 *
 * Exact one-sided bounds, by inverting tail probabilities: the binomial (Clopper & Pearson, 1934) and the hypergeometric,
 * thinned by the share of errors that checking overlooks. With a miss rate of 0 the latter is the plain hypergeometric.
 */

/** ln Γ(x) for x > 0 (Lanczos, g = 7; relative error below 1e-14). */
export function logGamma(x: number): number {
  const shifted = x - 1
  let sum = LANCZOS[0]!
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (shifted + i)
  const t = shifted + LANCZOS.length - 1.5
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum)
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

/** ln of n over k. */
function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

/** ln n!, remembered: plans weigh hundreds of audits, each by sums over hundreds of binomial coefficients. */
function logFactorial(n: number): number {
  if (n >= MOST_REMEMBERED) return logGamma(n + 1)
  while (logFactorials.length <= n) logFactorials.push(logGamma(logFactorials.length + 1))
  return logFactorials[n]!
}

const MOST_REMEMBERED = 1e5
const logFactorials: number[] = []

/** P(X ≤ k) for X binomial with n trials of chance p. */
export function binomialTail(k: number, n: number, p: number): number {
  if (k >= n || p <= 0) return 1
  if (p >= 1) return 0
  const [logYes, logNo] = [Math.log(p), Math.log1p(-p)]
  let sum = 0
  for (let i = 0; i <= k; i++) sum += Math.exp(logChoose(n, i) + i * logYes + (n - i) * logNo)
  return Math.min(1, sum)
}

/** The least k with P(X ≤ k) ≥ q for X binomial. */
export function binomialQuantile(q: number, n: number, p: number): number {
  if (p <= 0) return 0
  if (p >= 1) return n
  const start = farBelow(n * p, n * p * (1 - p))
  let exactly = Math.exp(logChoose(n, start) + start * Math.log(p) + (n - start) * Math.log1p(-p))
  let cumulative = 0
  for (let k = start; k < n; k++) {
    cumulative += exactly
    if (cumulative >= q) return k
    exactly *= ((n - k) / (k + 1)) * (p / (1 - p))
  }
  return n
}

/** So far below the mean of a count that what lies beneath has no weight. */
function farBelow(mean: number, variance: number): number {
  return Math.max(0, Math.floor(mean - 10 * Math.sqrt(variance)) - 10)
}

/**
 * Clopper and Pearson's bound. It also holds where some gold misfits are easier to overlook than others, for the mean of
 * their chances: the count of such unequal trials has no heavier lower tail than the binomial of their mean, up to one
 * below its mean (Hoeffding, 1956, theorem 4). Where `missed` is not that far below, nothing is ruled out.
 *
 * @param missed - gold misfits that were overlooked, out of `shown`.
 * @returns the largest miss rate that such luck does not rule out at level `alpha`; 1 when nothing was shown.
 */
export function missRateBound(missed: number, shown: number, alpha: number): number {
  if (missed >= shown) return 1
  let [low, high] = [missed / shown, 1]
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2
    if (binomialTail(missed, shown, middle) > alpha) low = middle
    else high = middle
  }
  return missed <= shown * high - 1 ? high : 1
}

export interface Check {
  /** Labels in the whole set, and in the sample drawn uniformly from it without replacement. */
  readonly population: number
  readonly sample: number
  /** Wrong labels that people found in the sample. */
  readonly found: number
  /** Chance at most that a person overlooks a wrong label in the sample, 0–1. */
  readonly missRate: number
}

/**
 * P(as few or fewer are found) when the set holds `errors` wrong labels: Σ_j P(j of them are drawn) · P(≤ found of j are
 * noticed), over the j that have any weight.
 */
export function foundTail({ population, sample, found, missRate }: Check, errors: number): number {
  const most = Math.min(sample, errors)
  // Whoever may overlook everything finds as few in any set.
  if (most <= found || missRate >= 1) return 1
  const mean = (sample * errors) / population
  let j = Math.max(sample - (population - errors), farBelow(mean, mean))
  let drawn = Math.exp(
    logChoose(errors, j) + logChoose(population - errors, sample - j) - logChoose(population, sample),
  )
  /** P(≤ found of j are noticed), and ln P(exactly `found` of j), carried along with j. */
  let noticed = binomialTail(found, j, 1 - missRate)
  const [logNotice, logMiss] = [Math.log1p(-missRate), Math.log(missRate)]
  let logExactly = found * logNotice + (j > found ? logChoose(j, found) + (j - found) * logMiss : 0)

  let total = 0
  for (; ; j++) {
    total += drawn * noticed
    if (j === most) break
    drawn *= ((errors - j) * (sample - j)) / ((j + 1) * (population - errors - sample + j + 1))
    if (j < found) continue
    noticed = Math.max(0, noticed - Math.exp(logExactly + logNotice))
    logExactly += Math.log((j + 1) / (j + 1 - found)) + logMiss
    if (noticed < 1e-15) break
  }
  return Math.min(1, total)
}

/**
 * @returns the largest number of wrong labels in the whole set that such luck does not rule out at level `alpha`: the
 * true number is larger with probability at most `alpha`.
 */
export function errorsBound(check: Check, alpha: number): number {
  let [low, high] = [Math.min(check.found, check.population), check.population]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (foundTail(check, middle) > alpha) low = middle
    else high = middle - 1
  }
  return low
}

/** How a set of labels differs from one of which something is known. */
export interface Changed {
  /** Labelled before and after, and not alike. */
  readonly changed: number
  readonly added: number
  readonly removed: number
}

/**
 * What is known of the number of wrong labels after labels were changed, added and removed: each that was changed or added
 * may be wrong, and each that was removed may have been right.
 */
export function carry(
  { labelled, wrongAtMost }: { readonly labelled: number; readonly wrongAtMost: number },
  { changed, added, removed }: Changed,
): { readonly labelled: number; readonly wrongAtMost: number; readonly atLeast: number } {
  const left = labelled - removed + added
  const wrong = Math.min(left, wrongAtMost + changed + added)
  return { labelled: left, wrongAtMost: wrong, atLeast: left === 0 ? 1 : 1 - wrong / left }
}
