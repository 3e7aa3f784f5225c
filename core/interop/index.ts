/** Interoperability: annotations of Label Studio and CVAT come in, and labels go out to them, to tables and to programs. */

export { readCvat } from './cvat.ts'
export { exportLabels, inBlocks, LABEL_FORMATS, type LabelExport, type LabelFormat } from './export-labels.ts'
export type { ForeignBox, ForeignFile, ForeignImage } from './foreign.ts'
export { importAnnotations } from './import-annotations.ts'
export { readLabelStudio } from './label-studio.ts'
export { ImageNames, type KnownImage, type Match } from './match.ts'
