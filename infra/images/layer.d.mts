import type { Readable } from 'node:stream'

export class Layer {
  folder(name: string, mode?: number): this
  text(name: string, data: string | Uint8Array, mode?: number): this
  link(name: string, target: string): this
  file(name: string, source: string): this
  tree(name: string, source: string, keep?: (name: string, full: string) => boolean): this
  get files(): string[]
  stream(): Readable
  measure(): Promise<{ digest: string; sizeBytes: number }>
}
