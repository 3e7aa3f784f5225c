/**
 * Bundles an algorithm file with everything it imports, zod and `gyre/algorithm` included, as one ES module: its digest
 * is the code version, and a replica needs nothing else to run it, now or years later.
 */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Plugin } from 'esbuild'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { artifacts } from '#core/steps'
import type { AlgorithmDefinition } from './define.ts'
import { openAlgorithm } from './run.ts'

export interface LoadedAlgorithm {
  readonly definition: AlgorithmDefinition
  readonly bundle: Uint8Array
}

/** @throws {PlatformError} `ALGORITHM_INVALID` with file, line and reason; `INVALID_NAME`. */
export async function loadAlgorithm(file: string): Promise<LoadedAlgorithm> {
  const source = path.resolve(file)
  await readFile(source).catch((cause: unknown) => {
    throw new PlatformError('ALGORITHM_INVALID', `there is no file ${file}; check the path`, { file }, { cause })
  })
  const bundle = await bundleFile(source)
  const definition = await openAlgorithm(bundle, path.basename(file))
  if (!artifacts.objectName.safeParse(definition.name).success)
    throw new PlatformError(
      'INVALID_NAME',
      `algorithm '${definition.name}' needs a name of lower-case letters, digits and hyphens, at most 40`,
    )
  return { definition, bundle }
}

async function bundleFile(source: string): Promise<Uint8Array> {
  const { build } = await import('esbuild')
  try {
    const result = await build({
      entryPoints: [source],
      // Names in comments are relative to it, so the digest does not depend on where the file lies.
      absWorkingDir: path.dirname(source),
      bundle: true,
      write: false,
      minify: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      plugins: [ours()],
      logLevel: 'silent',
    })
    return result.outputFiles[0]?.contents ?? new Uint8Array()
  } catch (error) {
    throw new PlatformError(
      'ALGORITHM_INVALID',
      `${path.basename(source)} does not compile: ${firstError(error)}`,
      {},
      { cause: error },
    )
  }
}

/** Lets `gyre/algorithm` and zod be found wherever the user's file lies. */
function ours(): Plugin {
  const root = installationRoot()
  const places: Record<string, string> = {
    'gyre/algorithm': path.join(root, 'core/algorithm/define.ts'),
    zod: createRequire(path.join(root, 'package.json')).resolve('zod'),
  }
  return {
    name: 'ours',
    setup(setup) {
      setup.onResolve({ filter: /^(gyre\/algorithm|zod)$/ }, ({ path: name }) => ({ path: places[name] ?? name }))
    },
  }
}

function firstError(error: unknown): string {
  const [first] =
    (error as { errors?: { text: string; location?: { line: number; column: number } | null }[] }).errors ?? []
  if (!first) return error instanceof Error ? error.message : String(error)
  return first.location ? `line ${first.location.line}: ${first.text}` : first.text
}
