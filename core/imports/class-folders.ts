/** Reads labels off folder names: the first folder level at which the images of a source lie apart. */
import type { Intake } from './intake.ts'

export interface LabelConflict {
  readonly digest: string
  /** Classes of the folders that hold the same bytes. */
  readonly classes: readonly string[]
}

export interface ClassFolders {
  /** Null for an image outside any class folder, and for one whose files lie in folders of different classes. */
  readonly labelOf: (digest: string) => string | null
  /** Ascending by digest. */
  readonly conflicts: readonly LabelConflict[]
}

export function classFolders({ images, duplicates }: Pick<Intake, 'images' | 'duplicates'>): ClassFolders {
  const files = [...images.map(({ digest, source }) => ({ digest, path: source })), ...duplicates]
  const paths = files.map(({ digest, path }) => ({ digest, folders: path.split('/').slice(0, -1) }))
  const level = commonLevels(paths.map(({ folders }) => folders))
  const classesOf = new Map<string, Set<string>>()
  for (const { digest, folders } of paths) {
    const name = folders[level]?.normalize('NFC')
    const classes = classesOf.get(digest) ?? new Set<string>()
    if (name !== undefined) classesOf.set(digest, classes.add(name))
  }
  const conflicts = [...classesOf]
    .filter(([, classes]) => classes.size > 1)
    .map(([digest, classes]) => ({ digest, classes: [...classes].sort() }))
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const labelOf = (digest: string): string | null => {
    const [first, ...others] = classesOf.get(digest) ?? []
    return first !== undefined && others.length === 0 ? first : null
  }
  return { labelOf, conflicts }
}

/** Folders that wrap the whole set (`train/` in `train/cat/1.png`) are no classes, unless nothing would be left. */
function commonLevels(paths: readonly (readonly string[])[]): number {
  let level = 0
  while (paths.every((folders) => folders.length > level + 1 && folders[level] === paths[0]?.[level])) level++
  return level
}
