/** Backups of a state: one tar file with objects and the engine's database of one moment, and back. */

export { OBJECTS_PREFIX, type BackupHeader } from './format.ts'
export { readBackup } from './read.ts'
export { writeBackup, type Progress, type Source, type Written } from './write.ts'
