/** What somebody asks of `embed-images`: which ways of describing an image are fitted, and which file stands beside them. */

import { PlatformError } from '#core/errors'

/** What Gyre can fit to images, without labels and without weights from anywhere. */
export const FITTED = ['patches', 'whitened-patches', 'hog', 'colour'] as const
export type FittedName = (typeof FITTED)[number]

export interface EmbedderChoice {
  /** In the order in which they were asked for, each once. */
  readonly fitted: readonly FittedName[]
  /** Path of the user's ONNX file. */
  readonly file: string | null
  /** Embedders that are put beside each other, the fitted ones among them. */
  readonly count: number
}

/** What `fitted` stands for. Models name the digest of their embedder, so another default gives other models. */
const DEFAULT: readonly FittedName[] = ['patches']
/** Components kept of several embedders, where nothing was said. */
const WHITENED_DIMS = 256
/** From so many images on, long embeddings are whitened too: what comes after holds 4 bytes a number in memory. */
const MANY_IMAGES = 250_000

/**
 * @param model - a name, names joined by "+", the path of a file, or a list of names and paths; the default where left out
 *   and no trained embedder is given.
 * @param trained - whether an embedder that a step trained is one of them.
 * @throws {PlatformError} `EMBEDDER_INVALID` for two that Gyre does not fit.
 */
export function chooseEmbedder(model: string | readonly string[] | undefined, trained = false): EmbedderChoice {
  const said = model ?? (trained ? [] : 'fitted')
  const parts = typeof said === 'string' ? namesOf(said) : said.flatMap(namesOf)
  const fitted = new Set(parts.flatMap((part) => (part === 'fitted' ? DEFAULT : isFitted(part) ? [part] : [])))
  const files = parts.filter((part) => part !== 'fitted' && !isFitted(part))
  const foreign = [...files, ...(trained ? ['the trained embedder'] : [])]
  // Two graphs of any origin may use the same names for their values.
  if (foreign.length > 1)
    throw new PlatformError(
      'EMBEDDER_INVALID',
      `${foreign.join(' and ')} cannot stand beside each other: only one may be other than ${FITTED.join(', ')}; join them into one ONNX file`,
      { embedders: foreign },
    )
  return { fitted: [...fitted], file: files[0] ?? null, count: fitted.size + foreign.length }
}

/**
 * How many principal components are kept; null leaves the embedding as it is. `whitened-patches` alone is whitened too:
 * it would be too long otherwise.
 */
export function componentsFor(
  { fitted, count }: EmbedderChoice,
  { whiten, images, dims }: { whiten: number | undefined; images: number; dims: number },
): number | null {
  if (whiten !== undefined) return whiten
  const long = fitted.includes('whitened-patches') || (images >= MANY_IMAGES && dims > WHITENED_DIMS)
  return count > 1 || long ? WHITENED_DIMS : null
}

/** A string is cut at "+" only where nothing but names comes out: a path may hold one. */
function namesOf(text: string): readonly string[] {
  const names = text.split('+').map((name) => name.trim())
  return names.every((name) => name === 'fitted' || isFitted(name)) ? names : [text]
}

function isFitted(name: string): name is FittedName {
  return (FITTED as readonly string[]).includes(name)
}
