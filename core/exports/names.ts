/** Names of exported files: those that the images had, as far as every system and every format can bear them. */
import { sha256Hex } from '#core/storage'
import type { ExportRow } from './rows.ts'

const extensions: Readonly<Record<ExportRow['format'], string>> = {
  jpeg: 'jpg',
  png: 'png',
  webp: 'webp',
  tiff: 'tif',
  gif: 'gif',
}

/** So that name and folder fit into the header of a tar, with the digest that may be added. */
const MAX_STEM_BYTES = 60
const MAX_FOLDER_BYTES = 80

/** Gives each image a stem that no other has, in lower case either; the same images in the same order get the same. */
export class Stems {
  readonly #taken = new Set<string>()

  stemOf({ source, digest }: ExportRow): string {
    const stem = cut(plain(stemOf(source)), MAX_STEM_BYTES)
    const candidates = [stem, `${stem || 'image'}-${digest.slice(0, 12)}`, digest]
    const free = candidates.find((name) => name !== '' && !this.#taken.has(name.toLowerCase())) ?? digest
    this.#taken.add(free.toLowerCase())
    return free
  }
}

export function extensionOf({ format }: ExportRow): string {
  return extensions[format]
}

/** The last segment without its extension. */
function stemOf(source: string): string {
  const name = source.slice(source.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(0, dot) : name
}

/** Letters, digits, `_` and `-`: no dot, since WebDataset parts names there. */
function plain(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}_-]+/gu, '_')
    .replace(/^[-_]+(?=.)/, '')
}

/** At most so many bytes of UTF-8, and no half character. */
function cut(text: string, bytes: number): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, bytes)).replace(/\ufffd+$/, '')
}

/** Names of folders for classes. Most classes can be one as they are; the others are counted. */
export class ClassFolders {
  readonly #folderOf = new Map<string, string>()
  readonly #taken = new Set<string>()
  #changed = 0

  folderOf(label: string): string {
    const known = this.#folderOf.get(label)
    if (known !== undefined) return known
    const folder = this.#unused(label)
    if (folder !== label) this.#changed++
    this.#folderOf.set(label, folder)
    this.#taken.add(folder.toLowerCase())
    return folder
  }

  get changed(): number {
    return this.#changed
  }

  #unused(label: string): string {
    const possible = label
      .replace(/[/\\:*?"<>|\p{Cc}]/gu, '_')
      .replace(/^\./, '_')
      .replace(/[. ]$/, '_')
    const folder = cut(possible, MAX_FOLDER_BYTES)
    return folder === '__MACOSX' || this.#taken.has(folder.toLowerCase())
      ? `${cut(folder, MAX_FOLDER_BYTES - 13)}-${sha256Hex(Buffer.from(label)).slice(0, 12)}`
      : folder
  }
}
