/** A realistic image set out of nothing: procedurally rendered surface defects, for the demo, tests and benchmarks. */

export { SURFACE_CLASSES, type SurfaceClass } from './defects.ts'
export { renderSurface, renderSurfaces, type RenderedSurfaces, type RenderOptions } from './render-surfaces.ts'
