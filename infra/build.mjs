/**
 * Builds everything that runs: every process and thread entry (esbuild, one shared set of chunks), the workflow bundle
 * (Temporal's bundler), the code version of each built-in step, and the web pages (Vite). Parts whose inputs did not change are skipped.
 *
 *   node infra/build.mjs [--only code,workflows,web] [--force] [--entries cli,api]
 *
 * `--entries` builds just these processes or threads, always, beside what is there: for work on one of them.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeVersions } from './code-versions.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const dist = path.join(root, 'dist')

/** Also built into the workflows of workers that encrypt. */
const failureConverter = 'infra/temporal/failure-converter.ts'

/** Name in dist → source. Processes first, then threads, then what user files import. */
export const entries = {
  cli: 'apps/cli/main.ts',
  api: 'apps/api/main.ts',
  front: 'apps/front/main.ts',
  gateway: 'apps/gateway/main.ts',
  inference: 'apps/inference/main.ts',
  job: 'apps/job/main.ts',
  worker: 'workers/main.ts',
  'failure-converter': failureConverter,
  'job-guard': 'core/compute/job-guard.ts',
  'compute-thread': 'core/execution/compute-thread.ts',
  'session-thread': 'core/inference/session-thread.ts',
  'probe-thread': 'core/labelling/probe-thread.ts',
  'model-thread': 'apps/inference/model-thread.ts',
  pipeline: 'core/pipeline/index.ts',
  steps: 'core/steps/index.ts',
  algorithm: 'core/algorithm/index.ts',
}

function filesUnder(...folders) {
  const found = []
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const full = path.join(folder, entry.name)
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && entry.name !== 'dist') walk(full)
      } else found.push(full)
    }
  }
  for (const folder of folders) if (existsSync(path.join(root, folder))) walk(path.join(root, folder))
  return found.sort()
}

function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

const common = ['package-lock.json', 'package.json', 'infra/build.mjs', 'infra/code-versions.mjs']
  .map((f) => path.join(root, f))
  .filter(existsSync)

/** How the named entries are compiled, here and into images; shared code goes to `dist/chunks`. */
export function entryOptions(names) {
  const present = names.filter((name) => existsSync(path.join(root, entries[name])))
  return {
    absWorkingDir: root,
    metafile: true,
    entryPoints: Object.fromEntries(present.map((name) => [name, entries[name]])),
    outdir: dist,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    logLevel: 'warning',
    legalComments: 'none',
  }
}

/** Compiles the named entries whose source exists. @returns the paths written. */
export async function buildEntries(names) {
  const esbuild = await import('esbuild')
  const { metafile } = await esbuild.build(entryOptions(names))
  return Object.keys(metafile.outputs).map((file) => path.join(root, file))
}

/** A stack that runs may still load chunks of the build before, so these go only after a day. */
function removeOldChunks(written) {
  const current = new Set(written)
  const dayAgo = Date.now() - 86_400_000
  for (const file of filesUnder('dist/chunks')) {
    if (!current.has(file) && statSync(file).mtimeMs < dayAgo) rmSync(file, { force: true })
  }
}

const parts = {
  code: {
    inputs: () => [
      ...filesUnder('core', 'activities', 'workers', 'infra/local', 'infra/temporal', 'apps').filter(
        (f) => !f.includes('/apps/web/'),
      ),
      ...common,
    ],
    async build() {
      const written = await buildEntries(Object.keys(entries))
      removeOldChunks(written)
      const { versions, files } = await codeVersions(root)
      writeFileSync(path.join(dist, 'code-versions.json'), JSON.stringify(versions, null, 2))
      writeFileSync(path.join(dist, 'code-files.json'), JSON.stringify(files))
    },
  },
  workflows: {
    inputs: () => [...filesUnder('workflows', 'core/plan'), path.join(root, failureConverter), ...common],
    async build() {
      if (!existsSync(path.join(root, 'workflows/index.ts'))) return
      const { bundleWorkflowCode } = await import('@temporalio/worker')
      const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error: console.error, log() {} }
      const options = { workflowsPath: path.join(root, 'workflows/index.ts'), logger: quiet }
      const plain = await bundleWorkflowCode(options)
      writeFileSync(path.join(dist, 'workflow-bundle.js'), plain.code)
      const encrypted = await bundleWorkflowCode({
        ...options,
        failureConverterPath: path.join(root, failureConverter),
      })
      writeFileSync(path.join(dist, 'workflow-bundle-encrypted.js'), encrypted.code)
    },
  },
  web: {
    inputs: () => [...filesUnder('apps/web'), ...common],
    async build() {
      if (!existsSync(path.join(root, 'apps/web/vite.config.ts'))) return
      const { build } = await import('vite')
      await build({
        root: path.join(root, 'apps/web'),
        configFile: path.join(root, 'apps/web/vite.config.ts'),
        logLevel: 'warn',
      })
    },
  },
}

export async function buildAll({ only = Object.keys(parts), force = false, say = () => {} } = {}) {
  mkdirSync(dist, { recursive: true })
  for (const name of only) {
    const part = parts[name]
    const stamp = path.join(dist, `.${name}.stamp`)
    const digest = digestOf(part.inputs())
    if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) continue
    const started = Date.now()
    await part.build()
    writeFileSync(stamp, digest)
    say(`build ${name} ${((Date.now() - started) / 1000).toFixed(1)} s`)
  }
}

/** The comma-separated names after a flag. */
function namesAfter(flag) {
  const at = process.argv.indexOf(flag)
  return at === -1 ? undefined : process.argv[at + 1].split(',')
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const only = namesAfter('--only')
  const wanted = namesAfter('--entries')
  try {
    if (wanted) await buildEntries(wanted)
    else
      await buildAll({
        ...(only ? { only } : {}),
        force: process.argv.includes('--force'),
        say: (line) => console.error(line),
      })
  } catch (error) {
    if (!error.errors) console.error(error) // esbuild has told its own already.
    process.exitCode = 1
  }
}
