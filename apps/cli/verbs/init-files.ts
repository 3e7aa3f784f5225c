/** The files of a new project. */

/** @returns text by path, relative to the project. */
export function projectFiles(name: string): Readonly<Record<string, string>> {
  return {
    'package.json': `${JSON.stringify(
      { name: packageName(name), private: true, type: 'module', scripts: { test: 'vitest run', types: 'tsc' } },
      null,
      2,
    )}\n`,
    'tsconfig.json': TSCONFIG,
    '.gitignore': 'node_modules/\n',
    'pipelines/hello.ts': PIPELINE,
    'steps/count-words.ts': STEP,
    'steps/count-words.test.ts': TEST,
    'README.md': readme(name),
  }
}

const packageName = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-') || 'pipelines'

const TSCONFIG = `{
  "extends": "./node_modules/gyre/tsconfig.json",
  "include": ["pipelines", "steps"],
  "exclude": ["node_modules"]
}
`

const PIPELINE = `/** Counts the words of a text: a first pipeline, with a step of its own. */

import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import { countWords } from '../steps/count-words.ts'

export default definePipeline({
  name: 'hello',
  description: 'Counts the words of a text',
  params: z.object({
    text: z.string().default('from images to a service, and back').describe('What is counted'),
  }),
  build({ params, step }) {
    const counted = step('count', countWords, { text: params.text })
    step('recount', countWords, { text: counted.longest })
  },
})
`

const STEP = `/** Counts words, and finds the longest. A change in this file, or in what it imports, makes its nodes run again. */

import { z } from 'zod'
import { defineStep } from 'gyre/pipeline'

export const countWords = defineStep({
  name: 'count-words',
  input: z.object({ text: z.string() }),
  output: z.object({ words: z.int(), longest: z.string() }),
  run({ text }) {
    const words = text.split(/\\s+/).filter(Boolean)
    return { words: words.length, longest: words.reduce((a, b) => (b.length > a.length ? b : a), '') }
  },
})
`

const TEST = `import { expect, it } from 'vitest'
import type { UserStepContext } from 'gyre/pipeline'
import { countWords } from './count-words.ts'

it('counts words, and finds the longest', async () => {
  const nothing = {} as UserStepContext
  const counted = await countWords.run({ text: 'one two  three' }, nothing)
  expect(counted).toEqual({ words: 3, longest: 'three' })
})
`

const readme = (name: string): string => `# ${name}

Pipelines for Gyre. \`pipelines/\` holds one definition a file, \`steps/\` the steps of our own.

    gyre init .                       # once after cloning: links node_modules to your Gyre
    npm test                          # the steps' tests
    npm run types                     # wrong wiring does not compile
    gyre pipeline plan hello          # what would run, and why
    gyre pipeline run hello --wait

Run \`gyre\` inside this folder, or anywhere with \`gyre --project DIR\`.
`
