import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { PlatformError } from '#core/errors'
import { entryPoint, installationRoot } from '#core/execution'
import { definingFiles, isPipeline, type PipelineDefinition } from '#core/pipeline'
import { bundleFile, filesOf, type Bundle } from './bundle.ts'

export interface LoadedPipeline {
  readonly definition: PipelineDefinition
  /** Path of the source, relative to the project folder. */
  readonly file: string
  /** The file with everything of the user's that it imports: what runs. */
  readonly bundle: Uint8Array
  /** SHA-256 of the bundle. */
  readonly digest: string
  /** Where in the user's sources an error was thrown: `pipelines/hello.ts:12`, or null. */
  placeOf(error: unknown): string | null
  /** The code of the pipeline, and of each file that defines a step of it, by file. */
  code(): Promise<ReadonlyMap<string, CodeRecord>>
}

/** One piece of a user's code. */
export interface CodeRecord {
  /** Digest of the bundle of its file: the code version. */
  readonly digest: string
  /** The files in it: path relative to the project, SHA-256. */
  readonly files: Readonly<Record<string, string>>
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
  const bundle = await bundleFile(projectDirectory, file)
  const module = await importBundle(bundle.bytes, bundle.digest, cacheDirectory, file, bundle.placeOf)
  if (!isPipeline(module.default))
    throw new PlatformError('PIPELINE_INVALID', `${file} has no default export made by definePipeline; export one`, {
      file,
    })
  return {
    definition: module.default,
    file,
    bundle: bundle.bytes,
    digest: bundle.digest,
    placeOf: bundle.placeOf,
    code: () => codeOf(projectDirectory, file, bundle),
  }
}

async function codeOf(
  projectDirectory: string,
  file: string,
  bundle: Bundle,
): Promise<ReadonlyMap<string, CodeRecord>> {
  const defining = bundle.sources.filter((source) => source !== file && definingFiles().has(source))
  const records = defining.map(async (source) => {
    const own = await bundleFile(projectDirectory, source)
    return [source, { digest: own.digest, files: await filesOf(projectDirectory, own) }] as const
  })
  const whole = { digest: bundle.digest, files: await filesOf(projectDirectory, bundle) }
  return new Map([[file, whole], ...(await Promise.all(records))])
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

/**
 * Evaluates a bundle once per digest and process.
 *
 * @param placeOf - finds the line of the user's source that an error comes from.
 */
export async function importBundle(
  bundle: Uint8Array,
  digest: string,
  cacheDirectory: string,
  shownAs: string,
  placeOf: (error: unknown) => string | null = () => null,
): Promise<{ readonly default?: unknown }> {
  await mkdir(cacheDirectory, { recursive: true })
  const file = path.join(cacheDirectory, `${digest}.mjs`)
  if (!(await stat(file).catch(() => null))) {
    const unfinished = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`
    await writeFile(unfinished, resolvable(textOf(bundle), digest))
    await rename(unfinished, file)
  }
  try {
    return (await import(pathToFileURL(file).href)) as { readonly default?: unknown }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new PlatformError(
      'PIPELINE_INVALID',
      `${placeOf(error) ?? shownAs} fails when it is loaded: ${message}`,
      {},
      { cause: error },
    )
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** What our packages are called inside a bundle, so that its digest names no path of a machine. */
type Ours = 'gyre/pipeline' | 'gyre/steps' | 'gyre/algorithm' | 'zod'

/** Puts the paths of this installation in place of the names of our packages; the bundle says which it is before it runs. */
function resolvable(code: string, digest: string): string {
  const root = installationRoot()
  const place: Record<Ours, string> = {
    'gyre/pipeline': entryPoint('pipeline'),
    'gyre/steps': entryPoint('steps'),
    'gyre/algorithm': entryPoint('algorithm'),
    zod: path.join(root, 'node_modules/zod/index.js'),
  }
  const named = `globalThis[Symbol.for("gyre.defining-bundle")]=${JSON.stringify(digest)};${code}`
  return named.replaceAll(/from\s*"(gyre\/(?:pipeline|steps|algorithm)|zod)"/g, (_, name: Ours) => {
    return `from ${JSON.stringify(pathToFileURL(place[name]).href)}`
  })
}
