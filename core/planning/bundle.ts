/**
 * Bundles of a user's files: what runs, what their digests cover, and where in their sources a failure lies. `gyre/*` and
 * zod stay outside: they are ours, and have code versions of their own.
 */

import { readFile } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import path from 'node:path'
import { build, type BuildFailure, type Metafile, type Plugin } from 'esbuild'
import { PlatformError } from '#core/errors'
import { digestFile, sha256Hex } from '#core/storage'

export interface Bundle {
  /** One ES module. The same sources give the same bytes, wherever the project lies. */
  readonly bytes: Uint8Array
  /** SHA-256 of these bytes: the code version. */
  readonly digest: string
  /** The sources in it, relative to the project, sorted. */
  readonly sources: readonly string[]
  /** `steps/count.ts:12` for the innermost frame of the error that lies in this bundle, else null. */
  placeOf(error: unknown): string | null
}

/**
 * @param file - relative to the project.
 * @throws {PlatformError} `PIPELINE_NOT_FOUND`, `PIPELINE_INVALID` with file and line.
 */
export async function bundleFile(projectDirectory: string, file: string): Promise<Bundle> {
  const source = path.resolve(projectDirectory, file)
  await readFile(source).catch(() => {
    throw new PlatformError('PIPELINE_NOT_FOUND', `there is no file ${source}; check the path`, { source })
  })
  const folder = path.dirname(source)
  const shown = (relative: string): string => path.relative(projectDirectory, path.resolve(folder, relative))
  const result = await build({
    entryPoints: [source],
    // Comments that name sources are relative to this folder, so the digest does not depend on where the project lies.
    absWorkingDir: folder,
    outfile: path.join(folder, 'bundle.mjs'),
    bundle: true,
    write: false,
    metafile: true,
    sourcemap: 'external',
    sourcesContent: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    plugins: [keepOurs, namesItself(projectDirectory)],
    logLevel: 'silent',
  }).catch((error: unknown) => {
    throw compileError(error as BuildFailure, shown)
  })
  const [map, code] = result.outputFiles.sort((a, b) => b.path.length - a.path.length)
  const digest = sha256Hex(code!.contents)
  return {
    bytes: code!.contents,
    digest,
    sources: sourcesOf(result.metafile, shown),
    placeOf: (error) => placeOf(error, digest, JSON.parse(map!.text) as SourceMapPayload, shown),
  }
}

/** The files that a bundle is made of, with the digest of each: what `code/<digest>.json` holds. */
export async function filesOf(projectDirectory: string, { sources }: Bundle): Promise<Record<string, string>> {
  const digests = sources.map(async (file) => [file, await digestFile(path.join(projectDirectory, file))] as const)
  return Object.fromEntries(await Promise.all(digests))
}

const sourcesOf = ({ inputs }: Metafile, shown: (file: string) => string): readonly string[] =>
  Object.keys(inputs).map(shown).sort()

function compileError(failure: BuildFailure, shown: (file: string) => string): PlatformError {
  const first = failure.errors?.[0]
  const at = first?.location ? atText(shown(first.location.file), first.location) : 'it'
  return new PlatformError('PIPELINE_INVALID', `${at} does not compile: ${first?.text ?? failure.message}`)
}

function atText(file: string, { line, column }: { readonly line: number; readonly column: number }): string {
  return `${file}:${line}:${column + 1 - (line === 1 ? naming(file).length : 0)}`
}

function placeOf(
  error: unknown,
  digest: string,
  payload: SourceMapPayload,
  shown: (file: string) => string,
): string | null {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const [, line, column] = new RegExp(`${digest}\\.mjs:(\\d+):(\\d+)`).exec(stack) ?? []
  if (line === undefined) return null
  const entry = new SourceMap(payload).findEntry(Number(line) - 1, Number(column) - 1)
  return 'originalSource' in entry ? `${shown(entry.originalSource)}:${entry.originalLine + 1}` : null
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

/** Stands on the first line of a file, so that lines keep their numbers. */
const naming = (file: string): string => `globalThis[Symbol.for("gyre.defining-file")]=${JSON.stringify(file)};`

/** Each file says which it is before its body runs, so that a step knows the file that defines it. */
function namesItself(projectDirectory: string): Plugin {
  return {
    name: 'names-itself',
    setup(setup) {
      setup.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path: file }) => {
        if (file.includes(`${path.sep}node_modules${path.sep}`)) return null
        const contents = naming(path.relative(projectDirectory, file)) + (await readFile(file, 'utf8'))
        const [, kind] = /\.[cm]?([jt]sx?)$/.exec(file)!
        return { contents, loader: kind as 'js' | 'jsx' | 'ts' | 'tsx' }
      })
    },
  }
}
