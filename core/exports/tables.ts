/** Images in a folder with a table beside them: CSV, and `metadata.jsonl` as ImageFolder of Hugging Face reads it. */
import { stringify } from 'csv-stringify/sync'
import { jsonRow, tableRow } from './columns.ts'
import { extensionOf } from './names.ts'
import type { ExportRow } from './rows.ts'
import type { OpenFile } from './sink.ts'
import { everything, fileOf, type WriterKind } from './writer.ts'

/** `images.csv` and `images/…`. Lists and objects are JSON in their cells. */
export const csvWriter: WriterKind = {
  carries: () => everything,
  open(context) {
    const table = context.sink.open('images.csv')
    let held: object[] = []
    let headed = false
    const flush = (): void => {
      if (held.length > 0 || !headed)
        table.write(stringify(held, { header: !headed, columns: COLUMNS, cast: { boolean: String } }))
      headed = true
      held = []
    }
    return {
      take(row) {
        const path = `images/${context.stems.stemOf(row)}.${extensionOf(row)}`
        const { tags, ...flat } = tableRow(row)
        held.push({ path, ...flat, tags: tags === null ? null : JSON.stringify(tags) })
        if (held.length >= 1_000) flush()
        return fileOf(context, path, row)
      },
      end() {
        flush()
        table.close()
      },
    }
  },
}

const COLUMNS = [
  'path',
  'label',
  'tags',
  'split',
  'attributes',
  'boxes',
  'width',
  'height',
  'source',
  'digest',
  'origin',
  'human_seen',
  'random_draw',
]

/** `<split>/metadata.jsonl` and the images beside it. */
export const huggingFaceWriter: WriterKind = {
  carries: () => everything,
  open(context) {
    const tables = new Map<ExportRow['split'], OpenFile>()
    const tableOf = (split: ExportRow['split']): OpenFile => {
      const table = tables.get(split) ?? context.sink.open(`${split}/metadata.jsonl`)
      tables.set(split, table)
      return table
    }
    return {
      take(row) {
        const file_name = `${context.stems.stemOf(row)}.${extensionOf(row)}`
        const { split: _, ...said } = jsonRow(row)
        tableOf(row.split).write(`${JSON.stringify({ file_name, ...said })}\n`)
        return fileOf(context, `${row.split}/${file_name}`, row)
      },
      end() {
        for (const table of tables.values()) table.close()
      },
    }
  },
}
