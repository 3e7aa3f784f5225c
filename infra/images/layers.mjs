/** The layers of our images, from what changes least to what changes most: Node, supervisor, packages, product. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeVersions } from '../code-versions.mjs'
import { buildAll, entryOptions } from '../build.mjs'
import { librariesOf } from './elf.mjs'
import { Layer } from './layer.mjs'
import { authoritiesOf } from './node-runtime.mjs'
import { addEmptyPackage, addPackage, packageName, packagesFor } from './packages.mjs'
import { APP, USER } from './roles.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Old C libraries load these by name when they look up a host; newer ones have them built in. */
const LOADED_BY_NAME = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']

/** Node with the libraries that it needs, certificate authorities, a user, and /tmp: the same in every image. */
export async function runtimeLayer(node) {
  const layer = new Layer()
  layer.file('usr/local/bin/node', node)
  const libraries = librariesOf(node)
  const besideLibc = path.dirname(libraries.find((file) => path.basename(file).startsWith('libc.')) ?? '/lib')
  const named = LOADED_BY_NAME.map((name) => path.join(besideLibc, name)).filter(existsSync)
  addLibraries(layer, [...libraries, ...named])
  layer.text('etc/ssl/certs/ca-certificates.crt', await authoritiesOf(node))
  layer.text(
    'etc/passwd',
    `root:x:0:0:root:/:/sbin/nologin\n${USER.name}:x:${USER.id}:${USER.id}::/tmp:/sbin/nologin\n`,
  )
  layer.text('etc/group', `root:x:0:\n${USER.name}:x:${USER.id}:\n`)
  layer.text('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n')
  return layer.folder('tmp', 0o1777)
}

export function supervisorLayer(binary) {
  return new Layer().file('gyre/supervisor', binary)
}

/**
 * The packages that compiled entries import, with native libraries that the runtime layer lacks.
 *
 * @param imports - specifiers that entries leave outside.
 */
export function packagesLayer(imports, { leftOut, emptied = [] }, runtime) {
  const layer = new Layer()
  const wanted = new Set(imports.map(packageName))
  for (const folder of packagesFor(root, wanted, [...leftOut, ...emptied])) addPackage(layer, APP, root, folder)
  for (const name of emptied) addEmptyPackage(layer, APP, name)
  const natives = layer.files.filter((name) => /\.(node|so[.\d]*)$/.test(name))
  const needed = natives.flatMap((name) => librariesOf(path.join(root, path.posix.relative(APP, name))))
  const there = new Set([...runtime.files, ...layer.files])
  const inPackages = (file) => file.startsWith(`${root}${path.sep}`)
  addLibraries(
    layer,
    needed.filter((file) => !inPackages(file) && !there.has(file.slice(1))),
  )
  return layer
}

/** The product for one role. @returns the layer, and which packages its entries import. */
export async function productLayer(role) {
  const layer = new Layer()
  const { files, imports } = await compile(role.entries)
  for (const [name, bytes] of files) layer.text(path.posix.join(APP, name), bytes)
  const { versions, files: sources } = await codeVersions(root)
  layer.text(`${APP}/dist/code-versions.json`, JSON.stringify(versions, null, 2))
  layer.text(`${APP}/dist/code-files.json`, JSON.stringify(sources))
  if (role.built.length > 0) await buildAll({ only: role.built })
  const dist = path.join(root, 'dist')
  if (role.built.includes('workflows'))
    for (const file of ['workflow-bundle.js', 'workflow-bundle-encrypted.js'])
      layer.file(`${APP}/dist/${file}`, path.join(dist, file))
  if (role.built.includes('web'))
    layer.tree(`${APP}/dist/web`, path.join(dist, 'web'), (name) => !name.endsWith('.map'))
  for (const file of ['package.json', 'LICENSE']) layer.file(`${APP}/${file}`, path.join(root, file))
  if (role.sources) await addSources(layer)
  if (role.commandLine)
    layer.text('usr/local/bin/gyre', `#!/usr/local/bin/node\nvoid import('/${APP}/dist/cli.js')\n`, 0o755)
  return { layer, imports }
}

/** What bundling a user's file reads: the ready pipelines, our definition language, and how to compile it. */
async function addSources(layer) {
  const { build } = await import('esbuild')
  const { metafile } = await build({
    ...entryOptions([]),
    entryPoints: ['core/algorithm/define.ts'],
    write: false,
    splitting: false,
    outdir: 'unused',
  })
  for (const file of [...Object.keys(metafile.inputs), 'tsconfig.json'])
    layer.file(`${APP}/${file}`, path.join(root, file))
  layer.tree(`${APP}/pipelines`, path.join(root, 'pipelines'), (name) => !name.endsWith('.test.ts'))
}

/** Compiles entries without touching `dist`, so that an image depends on nothing that other processes are left out of. */
async function compile(names) {
  const { build } = await import('esbuild')
  const { outputFiles, metafile } = await build({ ...entryOptions(names), sourcemap: false, write: false })
  const files = outputFiles.map(({ path: file, contents }) => [path.relative(root, file), contents])
  const outside = Object.values(metafile.outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ external, path: name }) => external && !name.startsWith('node:'))
  return { files, imports: [...new Set(outside.map(({ path: name }) => name))].sort() }
}

function addLibraries(layer, files) {
  for (const file of new Set(files)) layer.file(file.slice(1), file)
}

/** The version of the product, for labels. */
export function productVersion() {
  return JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version
}
