/**
 * The code version of each built-in step: a digest of every source file that its body can reach. Part of the cache key,
 * so that a result is reused only while the code that made it is the same.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The module that holds each step's body, as in core/execution/run-body.ts. */
const BODIES = {
  'import-images': 'imports',
  'export-dataset': 'exports',
  'snapshot-dataset': 'datasets',
  'select-images': 'catalog',
  'collect-garbage': 'retention',
  'delete-image': 'retention',
  'verify-dataset': 'retention',
  'train-embedder': 'self-supervised',
  'embed-images': 'embedding',
  'cluster-embeddings': 'clustering',
  'index-neighbours': 'neighbours',
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

/** What a body's job runs beside its module. */
const PROGRAMS = {
  'self-supervised': ['gyre_trainer', 'networks', 'onnx_file', 'self_supervised', 'views'].map(
    (name) => `apps/trainer/${name}.py`,
  ),
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

/**
 * @returns `versions`: step name → SHA-256 over the paths and bytes of all sources reached, and the lockfile; `files`:
 *   each of these digests → path → SHA-256 of what it is made of.
 */
export async function codeVersions(root) {
  const esbuild = await import('esbuild')
  const modules = [...new Set(Object.values(BODIES))].filter((name) =>
    existsSync(path.join(root, `core/${name}/index.ts`)),
  )
  const lockfile = readFileSync(path.join(root, 'package-lock.json'))
  const digests = new Map()
  const files = {}
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
    const hash = createHash('sha256').update(lockfile)
    const parts = { 'package-lock.json': sha256(lockfile) }
    for (const file of [...Object.keys(metafile.inputs), ...(PROGRAMS[name] ?? [])].sort()) {
      const bytes = readFileSync(path.join(root, file))
      hash.update(file).update('\0').update(bytes)
      parts[file] = sha256(bytes)
    }
    const digest = hash.digest('hex')
    digests.set(name, digest)
    files[digest] = parts
  }
  const versions = Object.fromEntries(Object.entries(BODIES).map(([step, module]) => [step, digests.get(module)]))
  return { versions, files }
}
