/**
 * YOLO. Where the version has boxes: `images/<split>`, `labels/<split>` and `data.yaml`. Where it has none: folders of
 * classes, for classification. Held-out images are called `val`, which trainers ask for.
 */
import { stringify } from 'yaml'
import { classFolders } from './folder.ts'
import { extensionOf } from './names.ts'
import { boxesOf, type ExportRow } from './rows.ts'
import { fileOf, nothing, type WriterContext, type Writer, type WriterKind } from './writer.ts'

const splits = { train: 'train', test: 'val' } as const

export const yoloWriter: WriterKind = {
  carries: ({ boxed }) => (boxed > 0 ? { ...nothing, boxes: true } : { ...nothing, label: true }),
  open: (context) => (context.source.census.boxed > 0 ? detection(context) : classFolders(context, splits)),
}

function detection(context: WriterContext): Writer {
  const { sink, source } = context
  const numbers = new Map(source.boxClasses.map((name, number) => [name, number]))
  return {
    take(row) {
      const stem = context.stems.stemOf(row)
      const lines = linesOf(row, numbers)
      if (lines !== '') sink.put(`labels/${splits[row.split]}/${stem}.txt`, Buffer.from(lines))
      return fileOf(context, `images/${splits[row.split]}/${stem}.${extensionOf(row)}`, row)
    },
    end() {
      const names = new Map(source.boxClasses.map((name, number) => [number, name])) // Trainers want keys without quotes.
      sink.put('data.yaml', Buffer.from(stringify({ train: 'images/train', val: 'images/val', names })))
    },
  }
}

/** Class, centre and extent, as shares of the image. */
function linesOf(row: ExportRow, numbers: ReadonlyMap<string, number>): string {
  const share = (value: number): string => String(Number(value.toFixed(8)))
  return boxesOf(row)
    .map(({ class: name, x, y, width, height }) => {
      const shares = [
        (x + width / 2) / row.width,
        (y + height / 2) / row.height,
        width / row.width,
        height / row.height,
      ]
      return `${numbers.get(name)} ${shares.map(share).join(' ')}\n`
    })
    .join('')
}
