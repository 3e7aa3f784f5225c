/**
 * Builds the images that are published, with Docker, Podman or Buildah, on bases pinned by digest.
 *
 *   node infra/images/release.mjs pin                        looks up what the bases' tags mean today: bases.json
 *   node infra/images/release.mjs build REGISTRY [--tag T]   REGISTRY/gyre-{worker,inference,api,trainer-base,trainer}:T
 *
 * T is the product's version where left out. `build` refuses a base without a digest; commit bases.json after `pin`.
 * Nothing is pushed. Tests run this against a stand-in for the engine; CI has none that is real.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, '../..')
const DIGEST = /^sha256:[0-9a-f]{64}$/

/** Image → the file that it is built from, and its target there. */
const IMAGES = {
  worker: ['Dockerfile', 'worker'],
  inference: ['Dockerfile', 'inference'],
  api: ['Dockerfile', 'api'],
  'trainer-base': ['trainer.Dockerfile', 'base'],
  trainer: ['trainer.Dockerfile', 'trainer'],
}

/** How each tool tells the digest of a tag in a registry. */
const LOOK_UP = {
  skopeo: (image) => ['inspect', '--no-tags', '--format', '{{.Digest}}', `docker://${image}`],
  docker: (image) => ['buildx', 'imagetools', 'inspect', '--format', '{{.Manifest.Digest}}', image],
}

function pin(file) {
  const tool = firstOnPath(Object.keys(LOOK_UP))
  const bases = readBases(file)
  for (const base of Object.values(bases)) {
    const told = execFileSync(tool, LOOK_UP[tool](base.image), { encoding: 'utf8' }).trim()
    if (!DIGEST.test(told)) throw new Error(`${tool} told no digest for ${base.image}: ${told}`)
    base.digest = told
    console.log(`${base.image} ${told}`)
  }
  writeFileSync(file, `${JSON.stringify(bases, null, 2)}\n`)
}

function build(file, registry, tag) {
  const pinned = Object.entries(readBases(file)).map(([name, { image, digest }]) => {
    if (!DIGEST.test(digest ?? ''))
      throw new Error(`${image} is not pinned; run \`release.mjs pin\` and commit bases.json`)
    return [name, `${image.replace(/:[^:/]+$/, '')}@${digest}`]
  })
  const engine = firstOnPath(['docker', 'podman', 'buildah'])
  const bases = ['SOURCE_DATE_EPOCH=0', ...pinned.map((pair) => pair.join('='))].flatMap((arg) => ['--build-arg', arg])
  for (const [name, [dockerfile, target]] of Object.entries(IMAGES)) {
    const image = `${registry}/gyre-${name}:${tag}`
    const from = ['--file', path.join(here, dockerfile), ...(target ? ['--target', target] : [])]
    execFileSync(engine, ['build', ...from, ...bases, '--tag', image, root], { stdio: 'inherit' })
    console.log(image)
  }
}

function readBases(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function firstOnPath(names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean)
  const found = names.find((name) => folders.some((folder) => isExecutable(path.join(folder, name))))
  if (!found) throw new Error(`none of ${names.join(', ')} is installed`)
  return found
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

try {
  const options = { tag: { type: 'string' }, bases: { type: 'string', default: path.join(here, 'bases.json') } }
  const { positionals, values } = parseArgs({ options, allowPositionals: true })
  const [verb, registry] = positionals
  const tag = values.tag ?? JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version
  if (verb === 'pin') pin(values.bases)
  else if (verb === 'build' && registry) build(values.bases, registry, tag)
  else throw new Error('usage: release.mjs pin | release.mjs build REGISTRY [--tag T]')
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
