/** What each image is for, and what it holds beside Node: the one place where the images differ. */

/** Runs the product in every image; no account of the machine has this number. */
export const USER = { id: 65532, name: 'gyre' }

/** Where images hold the product. */
export const APP = 'app'

/** Loaders that find workflows' sources; a worker's workflows are bundled when the product is built. */
const WORKFLOW_LOADERS = ['@swc/core', 'swc-loader', 'source-map-loader']

/** What Temporal's bundler asks for when it is loaded, and uses only when it bundles. */
const WORKFLOW_BUNDLER = ['webpack', 'memfs', 'unionfs']

/** @typedef {object} Role
 * @property {string} title
 * @property {string[]} entries - processes and threads, by their names in `infra/build.mjs`.
 * @property {string[]} leftOut - packages that somebody depends on and this role never loads.
 * @property {string[]} [emptied] - packages that are loaded and never used: modules without content stand for them.
 * @property {('workflows' | 'web')[]} built - other parts of `dist`.
 * @property {boolean} [sources] - pipelines, and what bundling the files of users needs.
 * @property {boolean} [supervisor] - for the init container of every job.
 * @property {boolean} [commandLine] - `gyre` on the PATH, for whoever may exec into the Pod.
 * @property {string[]} command
 */

/** What the files of users import, once they are bundled. */
const FACES = ['pipeline', 'steps', 'algorithm']

/** @type {Record<string, Role>} */
export const roles = {
  worker: {
    title: 'Workers and built-in steps',
    entries: [
      'worker',
      'job',
      'job-guard',
      'compute-thread',
      'session-thread',
      'probe-thread',
      'failure-converter',
      ...FACES,
    ],
    leftOut: WORKFLOW_LOADERS,
    emptied: WORKFLOW_BUNDLER,
    built: ['workflows'],
    sources: true,
    supervisor: true,
    command: ['dist/worker.js'],
  },
  inference: {
    title: 'Serving replicas and gateway',
    entries: ['inference', 'gateway', 'model-thread', ...FACES],
    // Tables belong to datasets, and algorithms come bundled.
    leftOut: ['@duckdb/node-api', `@esbuild/linux-${process.arch}`],
    built: [],
    command: ['dist/inference.js'],
  },
  api: {
    title: 'API, pages and command line',
    entries: [
      'api',
      'front',
      'cli',
      'job-guard',
      'compute-thread',
      'session-thread',
      'probe-thread',
      'failure-converter',
      ...FACES,
    ],
    leftOut: [],
    built: ['web'],
    sources: true,
    commandLine: true,
    command: ['dist/api.js'],
  },
}
