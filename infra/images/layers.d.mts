import type { Layer } from './layer.mjs'
import type { Role } from './roles.mjs'

/** @returns the product's own files for a role, and what its entries import from packages. */
export function productLayer(role: Role): Promise<{ layer: Layer; imports: string[] }>
