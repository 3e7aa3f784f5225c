/**
 * Builds the images of this installation as archives, without any container engine: for the test cluster, and wherever an
 * archive can be loaded. Linux only; `release.mjs` builds the images that are published.
 *
 *   node infra/images/build.mjs --out DIR [--only worker,inference,api] [--json]
 *   node infra/images/build.mjs --tree DIR --only worker      just the product with its packages: DIR/app and so on
 *
 * Each image becomes DIR/gyre-<role>-<tag>.tar, named localhost/gyre-<role>:<tag>; the tag is made from the content, and
 * what is there already is not written again. With `--json` one value on standard output:
 * `{"images":[{"role","name","tar","digest","sizeBytes","written"}],"node":"24.21.0"}`; progress is on standard error.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSupervisor } from '../supervisor/build.mjs'
import { writeImage } from './image-tar.mjs'
import { Layer } from './layer.mjs'
import { packagesLayer, productLayer, productVersion, runtimeLayer, supervisorLayer } from './layers.mjs'
import { nodeRuntime } from './node-runtime.mjs'
import { APP, roles, USER } from './roles.mjs'

/** Go's names of processors. */
const GOARCH = { x64: 'amd64', arm64: 'arm64' }

/**
 * @param out - folder for the archives.
 * @param only - names of roles; all where left out.
 * @param say - gets one line of progress at a time.
 */
export async function buildImages({ out, only = Object.keys(roles), say = () => {}, env = process.env }) {
  if (process.platform !== 'linux')
    throw new Error('images are built from the files of a Linux machine; elsewhere use infra/images/release.mjs')
  only.forEach(roleOf)
  const node = await nodeRuntime({ say, env })
  const runtime = await runtimeLayer(node.file)
  const images = []
  for (const name of only) {
    const started = Date.now()
    const image = await writeImage(await imageOf(name, runtime, env), out)
    images.push({ role: name, ...image })
    const took = `${((Date.now() - started) / 1000).toFixed(1)} s`
    say(
      `image ${image.name} ${Math.round(image.sizeBytes / 1e6)} MB ${image.written ? `built in ${took}` : 'is up to date'}`,
    )
  }
  return { images, node: node.version }
}

/** What an image has beside Node and its libraries, as a folder: for images that get those from a base. */
export async function writeTree(folder, name) {
  const { layer: product, imports } = await productLayer(roleOf(name))
  const packages = packagesLayer(imports, roleOf(name), new Layer())
  mkdirSync(folder, { recursive: true })
  for (const layer of [packages, product]) {
    const tar = spawn('tar', ['-x', '-C', folder], { stdio: ['pipe', 'ignore', 'inherit'] })
    const ended = once(tar, 'close')
    await pipeline(layer.stream(), tar.stdin)
    const [code] = await ended
    if (code !== 0) throw new Error(`tar could not write ${folder}`)
  }
}

function roleOf(name) {
  if (name in roles) return roles[name]
  throw new Error(`there is no image for "${name}"; there are ${Object.keys(roles).join(', ')}`)
}

async function imageOf(name, runtime, env) {
  const role = roleOf(name)
  const { layer: product, imports } = await productLayer(role)
  const supervisor = role.supervisor && supervisorLayer(await buildSupervisor({ arch: GOARCH[process.arch], env }))
  const packages = packagesLayer(imports, role, runtime)
  return {
    repository: `localhost/gyre-${name}`,
    layers: [runtime, ...(supervisor ? [supervisor] : []), packages, product],
    config: {
      User: `${USER.id}:${USER.id}`,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/tmp', 'NODE_ENV=production'],
      Entrypoint: ['node'],
      Cmd: role.command,
      WorkingDir: `/${APP}`,
      Labels: {
        'org.opencontainers.image.title': `Gyre: ${role.title}`,
        'org.opencontainers.image.version': productVersion(),
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
      StopSignal: 'SIGTERM',
    },
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const text = { type: 'string' }
    const { values } = parseArgs({ options: { out: text, tree: text, only: text, json: { type: 'boolean' } } })
    const only = values.only ? { only: values.only.split(',') } : {}
    if (values.tree) await writeTree(values.tree, values.only)
    else if (!values.out) throw new Error('--out names the folder for the archives')
    else {
      const built = await buildImages({ out: values.out, ...only, say: (line) => console.error(line) })
      if (values.json) console.log(JSON.stringify(built))
      else for (const { name, tar } of built.images) console.log(`${name} ${tar}`)
    }
  } catch (error) {
    console.error(error.errors ? 'the product does not compile' : error.message) // esbuild has told its own already.
    process.exitCode = 1
  }
}
