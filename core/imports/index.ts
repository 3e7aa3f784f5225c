/** Brings images into datasets: sources, intake, duplicates, near duplicates, splits that cannot leak. */

export type { Annotation, Arrival, Source } from './arrivals.ts'
export { IMPORT_FORMATS, openFormat, type FormatName, type OpenedFormat, type OpenOptions } from './formats/index.ts'
export { addImages, importImages, type AddImagesOptions, type NamedImage } from './import.ts'
export type { ImportReport } from './report.ts'
export type { Balance } from './splits.ts'
export { verifySplits, type Leak, type SplitProof, type VerifyOptions } from './verify.ts'
export { NotJson, readJson } from './formats/json-records.ts'
export { Notes } from './formats/notes.ts'
export { isRecord, nameOf, numberOf } from './formats/values.ts'
