/** A folder per class in a folder per split, the layout of ImageNet; images without a label lie in that of their split. */
import { extensionOf } from './names.ts'
import type { ExportRow } from './rows.ts'
import { fileOf, nothing, type Writer, type WriterContext, type WriterKind } from './writer.ts'

export const folderWriter: WriterKind = {
  carries: () => ({ ...nothing, label: true }),
  open: (context) => classFolders(context, { train: 'train', test: 'test' }),
}

export function classFolders(context: WriterContext, splits: Readonly<Record<ExportRow['split'], string>>): Writer {
  return {
    take(row) {
      const folder = row.label === null ? '' : `${context.folders.folderOf(row.label)}/`
      return fileOf(context, `${splits[row.split]}/${folder}${context.stems.stemOf(row)}.${extensionOf(row)}`, row)
    },
    end: () => undefined,
  }
}
