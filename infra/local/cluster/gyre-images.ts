/** Gyre's own images in the cluster of a state folder: built from this installation, loaded, and written down. */
import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { ClusterFolder } from './cluster-folder.ts'
import { loadImages, type ImageTar } from './cluster.ts'

/** Names of the images that the stack gives to jobs and services; kept in `images.json`. */
export interface GyreImages {
  readonly worker: string
  readonly inference: string
}

interface BuiltImage extends ImageTar {
  readonly role: keyof GyreImages
}

/**
 * Builds the images of this installation, where they are not built, and loads those that the cluster lacks.
 *
 * @param say - gets one line of progress at a time.
 * @throws {PlatformError} `CLUSTER_IMAGE_REFUSED`, and what `loadImages` throws.
 */
export async function loadGyreImages(
  state: string,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<GyreImages> {
  const folder = new ClusterFolder(state)
  const built = await build(folder.at('images'), say, env)
  await loadImages(state, built, env)
  removeOthers(folder.at('images'), built)
  const nameOf = (wanted: keyof GyreImages) => built.find(({ role }) => role === wanted)?.name ?? notBuilt(wanted)
  const images = { worker: nameOf('worker'), inference: nameOf('inference') }
  folder.write('images.json', images)
  return images
}

async function build(out: string, say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<readonly BuiltImage[]> {
  const args = ['infra/images/build.mjs', '--out', out, '--only', 'worker,inference', '--json']
  const child = spawn(process.execPath, args, { cwd: installationRoot(), env, stdio: ['ignore', 'pipe', 'pipe'] })
  let last = ''
  createInterface({ input: child.stderr }).on('line', (line) => say((last = line)))
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  const [printed, code] = await Promise.all([text(child.stdout), ended])
  if (code === 0) return (JSON.parse(printed) as { images: BuiltImage[] }).images
  throw new PlatformError('CLUSTER_IMAGE_REFUSED', `Gyre's images could not be built: ${last || `exit code ${code}`}`)
}

/** Archives of former builds, some hundred MiB each. */
function removeOthers(out: string, built: readonly BuiltImage[]): void {
  const current = new Set(built.map(({ tar }) => path.basename(tar)))
  for (const name of readdirSync(out)) if (!current.has(name)) rmSync(path.join(out, name), { force: true })
}

function notBuilt(role: string): never {
  throw new PlatformError('INTERNAL', `infra/images/build.mjs built no image for ${role}`)
}
