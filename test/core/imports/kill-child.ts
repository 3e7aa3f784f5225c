/** Imports a folder into a store, to be killed meanwhile: `kill-child.ts STORE SCRATCH SOURCE`. */
import { importImages } from '#core/imports'
import { silentLogger } from '#core/log'
import { openFolderStore } from '#core/storage'

const [store, scratchDir, source] = process.argv.slice(2) as [string, string, string]
const version = await importImages(
  { dataset: 'things', source, labels: 'none', heldOutShare: 0.2, seed: 7 },
  {
    store: await openFolderStore(store),
    runId: 'killed',
    nodeId: 'import',
    attempt: 1,
    scratchDir,
    signal: new AbortController().signal,
    log: silentLogger(),
    progress: () => undefined,
  },
  { partFiles: 100 },
)
process.stdout.write(version.version)
