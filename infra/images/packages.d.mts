import type { Layer } from './layer.mjs'

export function packageName(specifier: string): string
export function packagesFor(root: string, wanted: Iterable<string>, leftOut?: readonly string[]): string[]
export function addPackage(layer: Layer, prefix: string, root: string, folder: string): void
export function addEmptyPackage(layer: Layer, prefix: string, name: string): void
