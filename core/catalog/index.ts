/** Queries over the images of a version: conditions, pages, facets, saved views, and what is done to those that fit. */

export type { CatalogRow, Page, PageOptions, Catalog } from './catalog.ts'
export type { Codes } from './codes.ts'
export { checkCondition } from './condition.ts'
export type { Bucket, Facet, FacetValue } from './facets.ts'
export { dropCatalogs, openCatalog, type CatalogOptions } from './shelf.ts'
export { listViews, readView, removeView, saveView, type View } from './views.ts'
export { changeImages, type ChangedImages, type ChangeOptions, type ImageAction } from './change-images.ts'
export { selectImages } from './select-images.ts'
export type { Selection } from './selection.ts'
