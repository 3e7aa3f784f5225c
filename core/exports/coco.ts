/**
 * COCO: `images/<split>/…`, boxes in `annotations/instances_<split>.json`, labels and tags of whole images in
 * `annotations/labels_<split>.json`, whose annotations have no `bbox`. Attributes stand in a field `attributes`, as
 * CVAT and Datumaro write it; a tag's category has the supercategory `tag`.
 */
import { extensionOf } from './names.ts'
import { boxesOf, type ExportRow } from './rows.ts'
import type { OpenFile, Sink } from './sink.ts'
import { everything, fileOf, type WriterKind } from './writer.ts'

export const cocoWriter: WriterKind = {
  carries: () => ({ ...everything, account: false }),
  open(context) {
    const { sink, source } = context
    const splits = new Map<ExportRow['split'], SplitFiles>()
    const filesOf = (split: ExportRow['split']): SplitFiles => {
      const files = splits.get(split) ?? new SplitFiles(sink, split, source)
      splits.set(split, files)
      return files
    }
    return {
      take(row) {
        const file = `${context.stems.stemOf(row)}.${extensionOf(row)}`
        filesOf(row.split).add(row, file)
        return fileOf(context, `images/${row.split}/${file}`, row)
      },
      end() {
        for (const files of splits.values()) files.end()
      },
    }
  },
}

class SplitFiles {
  readonly #instances: CocoFile | null
  readonly #labels: CocoFile | null

  constructor(
    sink: Sink,
    split: string,
    {
      census,
      boxClasses,
      classes,
    }: {
      readonly census: { boxed: number; labelled: number; tagged: number; attributed: number }
      readonly boxClasses: readonly string[]
      readonly classes: readonly string[]
    },
  ) {
    const whole = census.labelled + census.tagged > 0 || census.boxed === 0
    this.#instances =
      census.boxed > 0 ? new CocoFile(sink.open(`annotations/instances_${split}.json`), boxClasses) : null
    this.#labels = whole ? new CocoFile(sink.open(`annotations/labels_${split}.json`), classes) : null
  }

  add(row: ExportRow, file: string): void {
    const boxes = this.#instances?.image(row, file)
    for (const { class: name, x, y, width, height, attributes } of this.#instances ? boxesOf(row) : [])
      this.#instances!.annotate(boxes!, name, 'object', {
        bbox: [x, y, width, height],
        area: width * height,
        iscrowd: 0,
        segmentation: [], // Some readers warn without it.
        ...(attributes && { attributes }),
      })
    const whole = this.#labels?.image(row, file)
    if (this.#labels && row.label !== null) this.#labels.annotate(whole!, row.label, 'label', {})
    for (const tag of (this.#labels && row.tags) ?? []) this.#labels!.annotate(whole!, tag, 'tag', {})
  }

  end(): void {
    this.#instances?.end()
    this.#labels?.end()
  }
}

/** Images go out as they come; annotations wait, as text, for their turn behind them. */
class CocoFile {
  readonly #file: OpenFile
  readonly #categories = new Map<
    string,
    { readonly id: number; readonly name: string; readonly supercategory: string }
  >()
  readonly #annotations: string[] = []
  #images = 0
  #marks = 0

  constructor(file: OpenFile, classes: readonly string[]) {
    this.#file = file
    file.write('{"images":[')
    this.#classes = classes
  }

  readonly #classes: readonly string[]

  /** @returns the image's id. */
  image({ width, height, attributes }: ExportRow, file_name: string): number {
    const id = ++this.#images
    const image = {
      id,
      file_name,
      width,
      height,
      ...(attributes !== null && { attributes: JSON.parse(attributes) as unknown }),
    }
    this.#file.write(`${id > 1 ? ',\n' : '\n'}${JSON.stringify(image)}`)
    return id
  }

  annotate(image_id: number, name: string, supercategory: string, more: object): void {
    const id = ++this.#marks
    const category_id = this.#idOf(name, supercategory)
    this.#annotations.push(JSON.stringify({ id, image_id, category_id, ...more }))
  }

  #idOf(name: string, supercategory: string): number {
    if (this.#categories.size === 0)
      for (const known of this.#classes) this.#add(known, supercategory === 'tag' ? 'label' : supercategory)
    return (this.#categories.get(`${supercategory}\0${name}`) ?? this.#add(name, supercategory)).id
  }

  #add(name: string, supercategory: string): { readonly id: number } {
    const category = { id: this.#categories.size + 1, name, supercategory }
    this.#categories.set(`${supercategory}\0${name}`, category)
    return category
  }

  end(): void {
    this.#file.write('\n],\n"annotations":[')
    this.#annotations.forEach((annotation, i) => this.#file.write(`${i > 0 ? ',\n' : '\n'}${annotation}`))
    this.#file.write(`\n],\n"categories":${JSON.stringify([...this.#categories.values()])}}\n`)
    this.#file.close()
  }
}
