import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { PlatformError } from '#core/errors'
import { entryPoint, installationRoot } from '#core/execution'
import { sha256Hex } from '#core/storage'
import { isPipeline, type PipelineDefinition } from '#core/pipeline'

export interface LoadedPipeline {
  readonly definition: PipelineDefinition
  /** Path of the source, relative to the project folder. */
  readonly file: string
  /** The file with everything of the user's that it imports, as one ES module. */
  readonly bundle: Uint8Array
  /** SHA-256 of the bundle: the code version. */
  readonly digest: string
}

/**
 * Loads one pipeline file: bundles it, so that its digest covers all the user's code it reaches, and evaluates the bundle.
 * `gyre/*` and zod stay outside: they are ours, and have code versions of their own.
 *
 * @param cacheDirectory - where bundles are kept; written atomically, shared by processes.
 * @throws {PlatformError} `PIPELINE_INVALID`.
 */
export async function loadPipeline(
  projectDirectory: string,
  file: string,
  cacheDirectory: string,
): Promise<LoadedPipeline> {
  const source = path.resolve(projectDirectory, file)
  const bundle = await bundleUserFile(source)
  const digest = sha256Hex(bundle)
  const module = await importBundle(bundle, digest, cacheDirectory, file)
  if (!isPipeline(module.default))
    throw new PlatformError('PIPELINE_INVALID', `${file} has no default export made by definePipeline; export one`, {
      file,
    })
  return { definition: module.default, file, bundle, digest }
}

/** All pipelines of a project's `pipelines` folder, by name; two files with one name are refused. */
export async function loadPipelines(
  projectDirectory: string,
  cacheDirectory: string,
): Promise<ReadonlyMap<string, LoadedPipeline>> {
  const names = await readdir(path.join(projectDirectory, 'pipelines')).catch(() => [] as string[])
  const files = names
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.d.ts'))
    .sort()
  const loaded = await Promise.all(
    files.map((name) => loadPipeline(projectDirectory, path.join('pipelines', name), cacheDirectory)),
  )
  const byName = new Map<string, LoadedPipeline>()
  for (const pipeline of loaded) {
    const { name } = pipeline.definition
    const other = byName.get(name)
    if (other)
      throw new PlatformError(
        'PIPELINE_INVALID',
        `${pipeline.file} and ${other.file} both define "${name}"; rename one`,
        { name },
      )
    byName.set(name, pipeline)
  }
  return byName
}

/** Evaluates a bundle once per digest and process. */
export async function importBundle(
  bundle: Uint8Array,
  digest: string,
  cacheDirectory: string,
  shownAs: string,
): Promise<{ readonly default?: unknown }> {
  await mkdir(cacheDirectory, { recursive: true })
  const file = path.join(cacheDirectory, `${digest}.mjs`)
  if (!(await stat(file).catch(() => null))) {
    const unfinished = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`
    await writeFile(unfinished, resolvable(await textOf(bundle)))
    await rename(unfinished, file)
  }
  try {
    return (await import(pathToFileURL(file).href)) as { readonly default?: unknown }
  } catch (error) {
    throw new PlatformError(
      'PIPELINE_INVALID',
      `${shownAs} fails when it is loaded: ${(error as Error).message}`,
      {},
      { cause: error },
    )
  }
}

const textOf = (bytes: Uint8Array): Promise<string> => Promise.resolve(Buffer.from(bytes).toString('utf8'))

/** What our packages are called inside a bundle, so that its digest names no path of a machine. */
type Ours = 'gyre/pipeline' | 'gyre/steps' | 'gyre/algorithm' | 'zod'

/** Puts the paths of this installation in place of the names of our packages. */
function resolvable(code: string): string {
  const root = installationRoot()
  const place: Record<Ours, string> = {
    'gyre/pipeline': entryPoint('pipeline'),
    'gyre/steps': entryPoint('steps'),
    'gyre/algorithm': entryPoint('algorithm'),
    zod: path.join(root, 'node_modules/zod/index.js'),
  }
  return code.replaceAll(/from\s*"(gyre\/(?:pipeline|steps|algorithm)|zod)"/g, (_, name: Ours) => {
    return `from ${JSON.stringify(pathToFileURL(place[name]).href)}`
  })
}

const keepOurs: Plugin = {
  name: 'keep-ours',
  setup(setup) {
    setup.onResolve({ filter: /^(gyre\/(pipeline|steps|algorithm)|zod)$/ }, ({ path: name }) => ({
      path: name,
      external: true,
    }))
  },
}

async function bundleUserFile(source: string): Promise<Uint8Array> {
  await readFile(source).catch(() => {
    throw new PlatformError('PIPELINE_NOT_FOUND', `there is no file ${source}; check the path`, { source })
  })
  try {
    const result = await build({
      entryPoints: [source],
      // Comments that name sources are relative to this folder, so the digest does not depend on where the project lies.
      absWorkingDir: path.dirname(source),
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      plugins: [keepOurs],
      logLevel: 'silent',
    })
    return result.outputFiles[0]!.contents
  } catch (error) {
    const first = (error as { errors?: { text: string; location?: { line: number; column: number } | null }[] })
      .errors?.[0]
    const where = first?.location ? `:${first.location.line}:${first.location.column + 1}` : ''
    throw new PlatformError(
      'PIPELINE_INVALID',
      `${path.basename(source)}${where} does not compile: ${first?.text ?? (error as Error).message}`,
    )
  }
}
