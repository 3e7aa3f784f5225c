/** The formats that are read. Archives and buckets are no formats: whatever is a tree of files may lie in one. */

export const IMPORT_FORMATS = [
  'folder',
  'imagenet',
  'csv',
  'jsonl',
  'coco',
  'voc',
  'yolo',
  'huggingface',
  'webdataset',
  'parquet',
  'video',
] as const
export type FormatName = (typeof IMPORT_FORMATS)[number]
