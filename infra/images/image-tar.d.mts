import type { Layer } from './layer.mjs'

export function writeImage(
  image: { repository: string; layers: readonly Layer[]; config: Readonly<Record<string, unknown>> },
  folder: string,
): Promise<{ name: string; tar: string; digest: string; sizeBytes: number; written: boolean }>
