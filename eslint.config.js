/**
 * The layers of DESIGN.md as lint rules: core has never heard of Temporal, workflows only orchestrate, activities only
 * adapt, workers only compose, pipelines only describe, and two apps share code through core alone.
 */
import tseslint from 'typescript-eslint'

const vendorSdks = [
  '@aws-sdk/*',
  '@duckdb/*',
  'sharp',
  'onnxruntime-node',
  '@kubernetes/*',
  'fastify',
  '@fastify/*',
  'esbuild',
  'tar-stream',
  'yauzl',
  'protobufjs',
]

/** Restricts what the files of one layer may import. */
function layer(files, patterns, extra = {}) {
  return {
    files,
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }], ...extra },
  }
}

const deny = (group, message) => ({ group, message })
const temporal = deny(['@temporalio/*'], 'core has never heard of Temporal')
const apps = deny(['**/apps/*', '#apps/*'], 'apps are processes: share code through core')

export default tseslint.config(
  { ignores: ['dist', '.gyre', 'node_modules', 'apps/web/dist', '**/*.mjs'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  layer(
    ['core/**/*.ts'],
    [
      temporal,
      apps,
      deny(['**/activities/*', '**/workflows/*', '**/workers/*'], 'core is below them'),
      deny(vendorSdks, 'a vendor SDK appears only in its adapter file'),
    ],
    {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'core takes its settings as arguments' },
      ],
    },
  ),
  {
    // The one adapter file of each vendor SDK.
    files: [
      'core/storage/s3.ts',
      'core/images/sharp.ts',
      'core/tables/duckdb.ts',
      'core/inference/onnx.ts',
      'core/inference/graph.ts',
      'core/planning/bundle.ts',
      'core/algorithm/load.ts',
      'core/imports/archive.ts',
      'core/compute/kubernetes/client.ts',
    ],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [temporal, apps] }] },
  },
  layer(
    ['workflows/**/*.ts'],
    [
      {
        group: ['#core/*', '!#core/plan', '../activities/*', '../core/*', 'node:*', 'zod'],
        message: 'workflows see #core/plan and types',
        allowTypeImports: true,
      },
    ],
  ),
  layer(
    ['activities/**/*.ts'],
    [apps, deny(['**/workers/*', '#adapter/*', ...vendorSdks], 'adapters reach activities as arguments')],
  ),
  layer(['workers/**/*.ts'], [apps]),
  layer(
    ['pipelines/**/*.ts'],
    [
      deny(
        ['#*', '@temporalio/*', 'node:*', '../core/*', '../../core/*'],
        'pipelines import gyre/* and zod, as a user would',
      ),
    ],
  ),
  layer(
    ['apps/*/**/*.ts', 'apps/*/**/*.tsx'],
    [deny(['../../*/activities/*', '**/activities/*', '**/workers/*'], 'apps speak to Temporal and core')],
  ),
)
