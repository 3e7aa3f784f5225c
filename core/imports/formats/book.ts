/**
 * Holds what annotation files say until the images come by, and finds for each image what is said of it. An image is
 * looked up by its own path; no file is ever opened by the name that an annotation gives.
 *
 * An entry speaks of an image when the paths are equal, counted from the source or from the annotation file, or when the
 * shorter of the two is the end of the longer (`7.jpg`, `train2017/7.jpg`). Where several do, the one of the same split
 * and the nearest folder counts; where none is nearer, none counts and a note says so.
 */
import { PlatformError } from '#core/errors'
import type { LabelSchema, Split } from '#core/datasets'
import type { Annotation } from '../arrivals.ts'
import { MAX_ANNOTATED, MAX_BOXES, MAX_BOXES_OF_IMAGE, MAX_CLASSES, MAX_PATH, MAX_TAGS_OF_IMAGE } from './bounds.ts'
import { Notes } from './notes.ts'
import { baseName, cleanPath, folderOf, resolved, splitFolder } from './paths.ts'
import type { AttributeValue, DraftBox } from './values.ts'

/** Entries of one base name that are compared with a path; beyond them only equal paths count. */
const MAX_NAMESAKES = 64

interface Entry {
  /** As the annotation writes it, from the folder of its file. */
  readonly name: string
  readonly folder: string
  annotation: Annotation
  /** Boxes of several files or rows, by what they are; in place of those of the annotation. */
  drawn: Map<string, DraftBox> | null
  found: boolean
}

export class Book {
  readonly notes = new Notes()
  readonly schema = new SchemaDraft()
  readonly #byPath = new Map<string, Entry[]>()
  readonly #byBaseName = new Map<string, Entry[]>()
  #entries = 0
  #boxes = 0

  /**
   * @param named - how the file at `path` names the image.
   * @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when the source speaks of more than memory should hold.
   */
  add(named: string, path: string, annotation: Annotation): void {
    const name = cleanPath(named)
    if (name === '' || named.length > MAX_PATH)
      return this.notes.add('an image without a usable name was left out', path)
    this.#boxes += annotation.boxes?.length ?? 0
    if (this.#boxes > MAX_BOXES) throw tooMuch(`more than ${MAX_BOXES} boxes`)
    this.describe(annotation)
    const folder = folderOf(path)
    const exact = resolved(folder, name)
    const known = this.#byPath.get(exact)
    const same = known?.find((entry) => sameSplit(entry.annotation.split, annotation.split))
    if (same) {
      same.annotation = this.#union(same, annotation, path)
      return
    }
    if (++this.#entries > MAX_ANNOTATED) throw tooMuch(`more than ${MAX_ANNOTATED} images`)
    const entry: Entry = { name, folder, annotation, drawn: null, found: false }
    if (known) known.push(entry)
    else this.#byPath.set(exact, [entry])
    const namesakes = this.#byBaseName.get(baseName(name))
    if (!namesakes) this.#byBaseName.set(baseName(name), [entry])
    else if (namesakes.length < MAX_NAMESAKES) namesakes.push(entry)
  }

  /** @param path - of an image, from the source. */
  find(path: string): Annotation | undefined {
    const entry = nearest(this.#byPath.get(path) ?? [], path) ?? this.#loose(path)
    if (!entry) return undefined
    entry.found = true
    return entry.drawn ? { ...entry.annotation, boxes: [...entry.drawn.values()] } : entry.annotation
  }

  #loose(path: string): Entry | undefined {
    const fitting = (this.#byBaseName.get(baseName(path)) ?? []).filter(({ name }) => fits(name, path))
    const entry = nearest(fitting, path)
    if (!entry && fitting.length > 0)
      this.notes.add('several annotations fit an image equally well; none was taken', path)
    return entry
  }

  /** Every name by which the annotations call an image, from the source. */
  *paths(): Iterable<string> {
    yield* this.#byPath.keys()
  }

  /** Says in the notes how many entries met no image. To be called after the last image. */
  countMissing(): void {
    for (const entries of this.#byPath.values())
      for (const { found, name } of entries)
        if (!found) this.notes.add('an image that annotations name is not in the source', name)
  }

  /** Takes the names that an annotation uses into the schema. */
  describe({ boxes, label, tags, attributes }: Annotation): void {
    if (label != null) this.schema.label(label)
    for (const tag of tags ?? []) this.schema.tag(tag)
    for (const box of boxes ?? []) this.schema.box(box.class)
    for (const [name, value] of Object.entries(attributes ?? {})) this.schema.attribute(name, value)
  }

  #union(entry: Entry, added: Annotation, where: string): Annotation {
    const former = entry.annotation
    if (former.label != null && added.label != null && former.label !== added.label)
      this.notes.add('an image has two labels; the first was taken', where)
    const tags = [...new Set([...(former.tags ?? []), ...(added.tags ?? [])])]
    const boxes = added.boxes ? this.#allBoxes(entry, added.boxes, where) : former.boxes
    const label = former.label ?? added.label
    const split = former.split ?? added.split
    return {
      ...(label !== undefined && { label }),
      ...(split !== undefined && { split }),
      ...((former.tags ?? added.tags) && { tags: tags.slice(0, MAX_TAGS_OF_IMAGE) }),
      ...(boxes && { boxes }),
      ...((former.attributes ?? added.attributes) && { attributes: { ...added.attributes, ...former.attributes } }),
    }
  }

  /** Files of one set repeat boxes (`instances` and `person_keypoints` of COCO): equal ones count once. */
  #allBoxes(entry: Entry, added: readonly DraftBox[], where: string): readonly DraftBox[] {
    entry.drawn ??= new Map((entry.annotation.boxes ?? []).map((box) => [keyOf(box), box]))
    for (const box of added) {
      if (entry.drawn.size < MAX_BOXES_OF_IMAGE) entry.drawn.set(keyOf(box), entry.drawn.get(keyOf(box)) ?? box)
      else this.notes.add(`boxes beyond the ${MAX_BOXES_OF_IMAGE}th were left out`, where)
    }
    return entry.annotation.boxes ?? []
  }
}

function keyOf({ class: name, x, y, width, height }: DraftBox): string {
  return `${x} ${y} ${width} ${height} ${name}`
}

function sameSplit(a: Split | undefined, b: Split | undefined): boolean {
  return a === b || a === undefined || b === undefined
}

/** Whether the shorter path is the end of the longer. */
function fits(name: string, path: string): boolean {
  return name === path || name.endsWith(`/${path}`) || path.endsWith(`/${name}`)
}

/** The best of entries that speak of one path; undefined where two are equally good. */
function nearest(entries: readonly Entry[], path: string): Entry | undefined {
  if (entries.length < 2) return entries[0]
  const split = splitFolder(path)?.split
  const ranked = entries.map((entry) => ({ entry, rank: rankOf(entry, path, split) })).sort((a, b) => b.rank - a.rank)
  return ranked[0]!.rank > ranked[1]!.rank ? ranked[0]!.entry : undefined
}

function rankOf({ folder, annotation }: Entry, path: string, split: Split | undefined): number {
  const folders = folder.split('/')
  const segments = path.split('/')
  let shared = 0
  while (shared < folders.length && folders[shared] === segments[shared]) shared++
  return shared + (split !== undefined && annotation.split === split ? 1_000 : 0)
}

function tooMuch(what: string): PlatformError {
  return new PlatformError('DATASET_SOURCE_UNREADABLE', `the annotations speak of ${what}; import the set in parts`)
}

/** The label schema that a source implies: the names it uses or lists, ascending. */
export class SchemaDraft {
  readonly #labels = new Set<string>()
  readonly #tags = new Set<string>()
  readonly #boxes = new Set<string>()
  readonly #attributes = new Map<string, 'text' | 'number' | 'boolean'>()

  label(name: string): void {
    if (this.#labels.size < MAX_CLASSES) this.#labels.add(name)
  }

  tag(name: string): void {
    if (this.#tags.size < MAX_CLASSES) this.#tags.add(name)
  }

  box(name: string): void {
    if (this.#boxes.size < MAX_CLASSES) this.#boxes.add(name)
  }

  attribute(name: string, value: AttributeValue): void {
    const type = typeof value === 'string' ? 'text' : (typeof value as 'number' | 'boolean')
    const known = this.#attributes.get(name)
    if (known === undefined && this.#attributes.size >= MAX_CLASSES) return
    this.#attributes.set(name, known === undefined || known === type ? type : 'text')
  }

  /** @returns undefined where the source says nothing of its images. */
  build(): LabelSchema | undefined {
    const multi = this.#labels.size === 0 && this.#tags.size > 0
    if (this.#labels.size + this.#tags.size + this.#boxes.size + this.#attributes.size === 0) return undefined
    return {
      task: multi ? 'multi' : 'single',
      classes: [...(multi ? this.#tags : this.#labels)].sort(),
      boxes: this.#boxes.size > 0 ? [...this.#boxes].sort() : null,
      attributes: Object.fromEntries([...this.#attributes].sort(([a], [b]) => (a < b ? -1 : 1))),
    }
  }
}
