/** What the tests of formats share: trees of files from a record, and everything that a source gives. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isPlatformError } from '#core/errors'
import type { LabelSchema } from '#core/datasets'
import type { Annotation } from '../../../../core/imports/arrivals.ts'
import { openFormat, type FormatName } from '../../../../core/imports/formats/index.ts'

export type Tree = Readonly<Record<string, Uint8Array | string>>

export async function writeTree(folder: string, tree: Tree): Promise<string> {
  for (const [name, content] of Object.entries(tree)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), content)
  }
  return folder
}

export function entriesOf(tree: Tree): { name: string; bytes: Uint8Array }[] {
  return Object.entries(tree).map(([name, content]) => ({ name, bytes: Buffer.from(content) }))
}

export interface Given {
  readonly format: FormatName
  /** By path. */
  readonly images: Readonly<Record<string, Annotation | null>>
  readonly bytes: ReadonlyMap<string, Uint8Array>
  readonly refused: Readonly<Record<string, string>>
  readonly schema: LabelSchema | undefined
  readonly notes: readonly string[]
}

/** Reads a source to its end, as an import does. */
export async function everything(source: string, format: FormatName | 'auto' = 'auto'): Promise<Given> {
  const opened = await openFormat(source, format)
  const images: Record<string, Annotation | null> = {}
  const bytes = new Map<string, Uint8Array>()
  const refused: Record<string, string> = {}
  for await (const arrival of opened.files)
    try {
      bytes.set(arrival.path, await arrival.read())
      images[arrival.path] = arrival.annotation ?? null
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'IMAGE_UNREADABLE') throw error
      refused[arrival.path] = error.message
    }
  return { format: opened.format, images, bytes, refused, schema: opened.schema, notes: opened.notes ?? [] }
}

/** A box as readers give it. */
export function box(
  name: string,
  x: number,
  y: number,
  width: number,
  height: number,
  attributes: string | null = null,
) {
  return { class: name, x, y, width, height, attributes, origin: 'imported' }
}
