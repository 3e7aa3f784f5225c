/**
 * The code version of each built-in step: a digest of every source file that its body can reach. Part of the cache key,
 * so that a result is reused only while the code that made it is the same.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The module that holds each step's body, as in core/execution/run-body.ts. */
const BODIES = {
  'import-images': 'datasets',
  'snapshot-dataset': 'datasets',
  'embed-images': 'embedding',
  'cluster-embeddings': 'clustering',
  annotate: 'labelling',
  'train-classifier': 'training',
  evaluate: 'evaluation',
  'register-model': 'registry',
  'deploy-endpoint': 'serving',
  'remove-endpoint': 'serving',
  'prove-endpoint': 'serving',
  'collect-captured': 'serving',
  'run-batch-task': 'batch',
}

/** @returns step name → SHA-256 over the paths and bytes of all sources reached, and the lockfile. */
export async function codeVersions(root) {
  const esbuild = await import('esbuild')
  const modules = [...new Set(Object.values(BODIES))].filter((name) =>
    existsSync(path.join(root, `core/${name}/index.ts`)),
  )
  const digests = new Map()
  for (const name of modules) {
    const { metafile } = await esbuild.build({
      absWorkingDir: root,
      entryPoints: [`core/${name}/index.ts`],
      bundle: true,
      write: false,
      outdir: 'unused',
      format: 'esm',
      platform: 'node',
      packages: 'external',
      metafile: true,
      logLevel: 'silent',
    })
    const hash = createHash('sha256').update(readFileSync(path.join(root, 'package-lock.json')))
    for (const file of Object.keys(metafile.inputs).sort())
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(path.join(root, file)))
    digests.set(name, hash.digest('hex'))
  }
  return Object.fromEntries(Object.entries(BODIES).map(([step, module]) => [step, digests.get(module)]))
}
