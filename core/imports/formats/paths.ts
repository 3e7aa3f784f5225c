/** What the names of files say: extensions, stems, and in which split an image lies. */
import { posix } from 'node:path'
import type { Split } from '#core/datasets'

/** `/`-separated, without `.` segments; `..` stays, and so matches nothing. */
export function cleanPath(name: string): string {
  return name
    .replaceAll('\\', '/')
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/')
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Lower case, without its dot; empty where there is none. */
export function extensionOf(path: string): string {
  const name = baseName(path)
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase()
}

/** The path without the extension of its last segment. */
export function withoutExtension(path: string): string {
  const dot = path.lastIndexOf('.')
  return dot > path.lastIndexOf('/') + 1 ? path.slice(0, dot) : path
}

/** Where a name leads that is written in a file of the folder; begins with `..` where it leads out of the source. */
export function resolved(folder: string, name: string): string {
  return posix.normalize(joined(folder, cleanPath(name)))
}

export function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

const imageExtensions = new Set(['jpg', 'jpeg', 'jpe', 'jfif', 'png', 'webp', 'tif', 'tiff', 'gif', 'bmp'])

/** By its name, for telling layouts apart; what a file is decide its bytes. */
export function isNamedLikeImage(path: string): boolean {
  return imageExtensions.has(extensionOf(path))
}

const splitWords: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  trn: 'train',
  val: 'test',
  valid: 'test',
  validation: 'test',
  dev: 'test',
  eval: 'test',
  test: 'test',
  testing: 'test',
}

/** What a word such as `train`, `val2017` or `Validation` means; sets for choosing a model are held out, too. */
export function splitOfWord(word: string): Split | undefined {
  const plain = word
    .toLowerCase()
    .replace(/^obj_(.+)_data$/, '$1') // Darknet
    .replace(/\d{4}$/, '')
  return Object.hasOwn(splitWords, plain) ? splitWords[plain] : undefined
}

/** The folder that names a split, the outermost where there are several: a class may be called "test". */
export function splitFolder(path: string): { readonly split: Split; readonly index: number } | undefined {
  const folders = path.split('/').slice(0, -1)
  for (const [index, folder] of folders.entries()) {
    const split = splitOfWord(folder)
    if (split) return { split, index }
  }
  return undefined
}

/** The split that a file speaks of: by a word of its own name (`instances_val2017.json`), else by its folders. */
export function splitOfFile(path: string): Split | undefined {
  const words = withoutExtension(baseName(path)).split(/[^A-Za-z0-9]+/)
  for (const word of words) {
    const split = splitOfWord(word)
    if (split) return split
  }
  return splitFolder(path)?.split
}
