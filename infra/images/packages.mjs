/**
 * Picks from node_modules what an image needs at run time: the packages that its entries import, what those depend on, and
 * of each only files that are ever loaded on this processor's Linux.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const RUST_TARGET = { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' }

/** Typings, source maps, sources and prose; licences stay. */
const NEVER_LOADED =
  /(\.(map|md|markdown|flow|tsbuildinfo|[cm]?ts|tsx|pdb|gyp|gypi|h|hpp|cc|cpp|c|rs)|(^|\/)(tsconfig.*\.json|Makefile|\.[^/]+))$/
const NEVER_LOADED_FOLDERS = new Set([
  'node_modules',
  'test',
  'tests',
  '__tests__',
  'docs',
  'example',
  'examples',
  'bench',
  'benchmark',
  'benchmarks',
  'man',
])
const LICENCE = /^(licen[cs]e|notice|copying)/i

/** Packages for other runtimes than Node. */
const OTHER_RUNTIMES = /^bare-/

/** Folders, by package, of which nothing is loaded: other builds of the same code, and other platforms. */
const PACKAGE_RULES = [
  // Node takes `main`, which is the CommonJS build.
  [/^@(aws-sdk|smithy|aws)\//, (file) => /^dist-(es|types)\//.test(file)],
  [/^@aws-crypto\//, (file) => file.startsWith('build/module/')],
  [
    /^onnxruntime-node$/,
    (file) => /^(script|lib)\//.test(file) || otherOf(file, 'bin/napi-v6/', `linux/${process.arch}/`),
  ],
  [/^onnxruntime-common$/, (file) => file.startsWith('lib/')],
  [
    /^@temporalio\/core-bridge$/,
    (file) =>
      /^(sdk-core|src|bridge-macros|scripts)\//.test(file) ||
      otherOf(file, 'releases/', `${RUST_TARGET[process.arch]}/`),
  ],
  // The install script puts a second copy of @esbuild/<platform> there.
  [/^esbuild$/, (file) => file.startsWith('bin/')],
  [/^rxjs$/, (file) => /^(src|dist\/(esm|esm5|bundles|types))\//.test(file)],
  [/^@temporalio\//, (file) => file.startsWith('src/')],
]

function otherOf(file, folder, kept) {
  const wanted = folder + kept
  return file.startsWith(folder) && !file.startsWith(wanted) && !wanted.startsWith(file)
}

/** `@scope/name/sub/path` → `@scope/name`. */
export function packageName(specifier) {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/**
 * @param root - folder that has node_modules.
 * @param wanted - names of packages.
 * @param leftOut - names of packages that are never loaded although somebody depends on them.
 * @returns folders of packages relative to `root`, in order; those that depend on each other included.
 * @throws {Error} naming a package that is not installed.
 */
export function packagesFor(root, wanted, leftOut = []) {
  const found = new Set()
  const visit = (name, from, { optional = false } = {}) => {
    if (leftOut.includes(name) || OTHER_RUNTIMES.test(name)) return
    const folder = resolvePackage(root, name, from)
    if (folder === null) {
      if (optional) return
      throw new Error(`${name}, which ${from || 'the product'} needs, is not installed`)
    }
    if (found.has(folder)) return
    found.add(folder)
    const { dependencies, optionalDependencies, peerDependencies } = manifestOf(root, folder)
    for (const each of Object.keys({ ...optionalDependencies, ...peerDependencies }))
      visit(each, folder, { optional: true })
    for (const each of Object.keys(dependencies ?? {})) if (!(each in (optionalDependencies ?? {}))) visit(each, folder)
  }
  for (const name of wanted) visit(name, '')
  return [...found].sort()
}

/** The nearest node_modules above `from` that has the package. */
function resolvePackage(root, name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const folder = path.posix.join(at, 'node_modules', name)
    if (existsSync(path.join(root, folder, 'package.json'))) return folder
    if (at === '') return null
  }
}

function manifestOf(root, folder) {
  return JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
}

/** Puts a module without content in the place of a package. */
export function addEmptyPackage(layer, prefix, name) {
  const folder = path.posix.join(prefix, 'node_modules', name)
  layer.text(`${folder}/package.json`, JSON.stringify({ name, version: '0.0.0' }))
  layer.text(`${folder}/index.js`, 'module.exports = {}\n')
}

/** Puts the loaded files of a package below `prefix` of a layer. */
export function addPackage(layer, prefix, root, folder) {
  const whole = path.join(root, folder)
  const { name } = manifestOf(root, folder)
  const rules = PACKAGE_RULES.filter(([pattern]) => pattern.test(name)).map(([, isUnused]) => isUnused)
  layer.tree(path.posix.join(prefix, folder), whole, (base, full) => {
    const file = path.relative(whole, full)
    if (NEVER_LOADED_FOLDERS.has(file) || rules.some((isUnused) => isUnused(file) || isUnused(`${file}/`))) return false
    return LICENCE.test(base) || !NEVER_LOADED.test(file)
  })
}
