/**
 * Finds the image of a dataset that another tool means. Tools rename: they add folders, take them away, put a prefix
 * before the file name, make addresses of paths. An image is meant where its digest is named, or where exactly one image
 * shares the file name and more of the folders before it than all others.
 */

export interface KnownImage {
  readonly digest: string
  /** Where it came from: a path or an address. */
  readonly source: string
}

export type Match<I> = { readonly image: I } | { readonly trouble: 'unknown' | 'ambiguous' }

export class ImageNames<I extends KnownImage> {
  readonly #byDigest = new Map<string, I>()
  readonly #byFile = new Map<string, { image: I; folders: readonly string[] }[]>()

  constructor(images: Iterable<I>) {
    for (const image of images) {
      this.#byDigest.set(image.digest, image)
      const { file, folders } = partsOf(image.source)
      const namesakes = this.#byFile.get(file)
      if (namesakes) namesakes.push({ image, folders })
      else this.#byFile.set(file, [{ image, folders }])
    }
  }

  /** @param name - as a file of another tool gives it. */
  find(name: string): Match<I> {
    const [digest] = /[0-9a-f]{64}/.exec(name) ?? []
    const named = digest === undefined ? undefined : this.#byDigest.get(digest)
    if (named) return { image: named }
    const { file, folders } = partsOf(name)
    // Label Studio puts eight digits before the names of uploaded files.
    const namesakes = this.#byFile.get(file) ?? this.#byFile.get(file.replace(/^[0-9a-f]{8}-/, ''))
    if (!namesakes) return { trouble: 'unknown' }
    let most = -1
    let best: I[] = []
    for (const { image, folders: own } of namesakes) {
      const shared = sharedFromEnd(folders, own)
      if (shared > most) [most, best] = [shared, [image]]
      else if (shared === most) best.push(image)
    }
    return best.length === 1 ? { image: best[0]! } : { trouble: 'ambiguous' }
  }
}

/** Of an address or path: the file's name, and the folders before it, the last first. */
function partsOf(name: string): { file: string; folders: readonly string[] } {
  const [, queried] = /[?&]d=([^&]*)/.exec(name) ?? [] // Label Studio's local files.
  const plain = queried ?? name.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '').replace(/[?#].*$/, '')
  const parts = decoded(plain)
    .normalize('NFC')
    .split(/[\\/]+/)
    .filter(Boolean)
  return { file: parts.pop() ?? '', folders: parts.reverse() }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function sharedFromEnd(a: readonly string[], b: readonly string[]): number {
  let count = 0
  while (count < a.length && count < b.length && a[count] === b[count]) count++
  return count
}
