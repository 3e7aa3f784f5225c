/** What every writer of a format does: it names the files of an image, takes the images, and ends with its lists. */
import type { ClassFolders, Stems } from './names.ts'
import type { Census, ExportRow, ExportSource } from './rows.ts'
import type { Sink } from './sink.ts'

export interface WriterContext {
  readonly sink: Sink
  readonly source: ExportSource
  readonly stems: Stems
  readonly folders: ClassFolders
}

export interface Writer {
  /**
   * Called for every image, in order, also for one whose file is there already.
   *
   * @returns what writes its bytes; null where they are not needed.
   */
  take(row: ExportRow): ((bytes: Uint8Array) => void) | null
  /** Called between batches of images: the time for what waits. */
  settle?(): Promise<void>
  end(): Promise<void> | void
}

/** A format: how it is written, and what it has a place for. */
export interface WriterKind {
  open(context: WriterContext): Writer
  carries(census: Census): Readonly<Record<Carried, boolean>>
}

export type Carried = 'label' | 'tags' | 'attributes' | 'boxes' | 'boxAttributes' | 'account'

export const everything = { label: true, tags: true, attributes: true, boxes: true, boxAttributes: true, account: true }
export const nothing = {
  label: false,
  tags: false,
  attributes: false,
  boxes: false,
  boxAttributes: false,
  account: false,
}

/** Writes one file per image, unless a former attempt has. */
export function fileOf(
  { sink }: WriterContext,
  name: string,
  { digest }: ExportRow,
): ((bytes: Uint8Array) => void) | null {
  return sink.has(name, digest) ? null : (bytes) => sink.put(name, bytes)
}
