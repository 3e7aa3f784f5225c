/** Versions of datasets as files for other tools. */

export { exportDataset } from './export.ts'
