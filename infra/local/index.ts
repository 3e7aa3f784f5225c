/** The embedded stack of `gyre dev`: one process tree on one state folder, nothing to install by hand. */

export { USUAL_PORTS, type PortName, type Ports } from './ports.ts'
export { StateFolder, stateFolderPath, type StackInfo } from './state-folder.ts'
export {
  OBJECTS_PREFIX,
  readBackup,
  writeBackup,
  type BackupHeader,
  type Progress,
  type Source,
} from './backup/index.ts'
export { askStack } from './control.ts'
export { chooseFront, USUAL_FRONT_PORT, type Front, type FrontWishes } from './front.ts'
export { openClusterOf, placementOf, type Placement } from './placement.ts'
export { DATABASE_FILES, folderOfStore, listObjects, RECORDS_FILE, type Snapshot } from './snapshot.ts'
export { startStack, type Stack, type StackOptions } from './stack.ts'
export { requireTemporalBinary, temporalServer } from './temporal-server.ts'
export { cacheFolder, findTemporalBinary } from './temporal-binary.mjs'
