/**
 * The examples of the README and of docs/ are files that people copy: each must compile on its own, each pipeline must plan,
 * each algorithm must load, and each `./gyre` line must name verbs and options that exist.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadAlgorithm } from '#adapter/algorithm/load'
import { buildPlan, loadPipeline } from '#core/planning'
import { createProgram } from '../../apps/cli/program.ts'

const root = path.resolve(import.meta.dirname, '../..')

interface Block {
  /** `docs/pipelines.md:21`: where its first line is. */
  readonly where: string
  readonly language: string
  readonly text: string
}

const blocks = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`)]
  .filter((file) => file.endsWith('.md'))
  .flatMap(blocksOf)

function blocksOf(file: string): Block[] {
  const markdown = readFileSync(path.join(root, file), 'utf8')
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```/gms)].map((match) => ({
    where: `${file}:${markdown.slice(0, match.index).split('\n').length + 1}`,
    language: match[1]!,
    text: match[2]!,
  }))
}

/** Whole files: a few lines that show a call need not stand alone. */
const examples = blocks.filter(
  ({ language, text }) => language === 'ts' && /^import |\bdefine(Pipeline|Step|Algorithm)\(/m.test(text),
)
const pipelines = examples.filter(({ text }) => text.includes('export default definePipeline('))
const algorithms = examples.filter(({ text }) => text.includes('export default defineAlgorithm('))

/** What the compiler says of each example, as if it lay in this project; empty lists are what we want. */
function compile(sources: readonly Pick<Block, 'where' | 'text'>[]): Map<string, string[]> {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
  const files = new Map(sources.map(({ text }, i) => [path.join(root, `example-${i}.ts`), text]))
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (file) => files.has(file) || fileExists(file)
  host.readFile = (file) => files.get(file) ?? readFile(file)
  host.getSourceFile = (file, target, ...rest) => {
    const text = files.get(file)
    return text === undefined ? getSourceFile(file, target, ...rest) : ts.createSourceFile(file, text, target)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  const troublesOf = (file: string): string[] =>
    [
      ...program.getSyntacticDiagnostics(program.getSourceFile(file)),
      ...program.getSemanticDiagnostics(program.getSourceFile(file)),
    ].map(({ messageText, start = 0 }) => {
      const line = files.get(file)!.slice(0, start).split('\n').length
      return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
  return new Map(sources.map(({ where }, i) => [where, troublesOf(path.join(root, `example-${i}.ts`))]))
}

/** Parameters that fit: what is required, invented from its schema. */
function inventParams(schema: z.ZodObject): Record<string, unknown> {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' })
  const invent = (of: z.core.JSONSchema._JSONSchema | undefined): unknown => {
    if (typeof of !== 'object') return null
    if (of.enum) return of.enum[0]
    if (of.type === 'array') return ['one', 'two']
    if (of.type === 'string') return 'example'
    if (of.type === 'boolean') return true
    return of.minimum ?? Number(of.exclusiveMinimum ?? 0) + 1
  }
  return Object.fromEntries(required.map((name) => [name, invent(properties[name])]))
}

describe('the examples', () => {
  const wrong = {
    where: 'a wrong one',
    text: `import { defineStep } from 'gyre/pipeline'
import { z } from 'zod'
export const wrong = defineStep({ name: 'wrong', input: z.object({}), output: z.object({ n: z.int() }), run: () => 'one' })`,
  }
  let troubles: Map<string, string[]>
  let project: string
  beforeAll(() => {
    troubles = compile([...examples, wrong])
    project = mkdtempSync(path.join(os.tmpdir(), 'gyre-examples-'))
    mkdirSync(path.join(project, 'pipelines'))
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  /** @returns the path of the example as a file of a project, relative to the project. */
  const written = ({ where, text }: Block): string => {
    const file = `pipelines/${where.replaceAll(/[^a-z0-9]+/gi, '-')}.ts`
    writeFileSync(path.join(project, file), text)
    return file
  }

  it('are found', () => {
    expect(pipelines.map(({ where }) => where.split(':')[0])).toEqual(
      expect.arrayContaining(['README.md', 'docs/pipelines.md', 'docs/labelling.md', 'docs/training.md']),
    )
  })

  it.each(examples)('$where compiles', ({ where }) => {
    expect(troubles.get(where)).toEqual([])
  })

  it('would not compile if they were wrong', () => {
    expect(troubles.get('a wrong one')!.join()).toMatch(/^line 3: Type 'string' is not assignable/)
  })

  it.each(pipelines)('$where plans', async (block) => {
    const { definition, digest } = await loadPipeline(project, written(block), path.join(project, 'bundles'))
    const code = { pipeline: digest, bundle: digest, builtIn: () => 'built-in' }
    const plan = buildPlan(definition, inventParams(definition.params), code)
    expect(plan.nodes.length).toBe(block.text.match(/\bstep(\.map)?\(/g)!.length)
  })

  it.each(algorithms)('$where loads', async (block) => {
    const { definition } = await loadAlgorithm(path.join(project, written(block)))
    expect(block.text).toContain(`name: '${definition.name}'`)
  })
})

describe('the commands', () => {
  const lines = blocks.flatMap(({ where, text }) => {
    const [file, first] = where.split(':')
    return text.split('\n').flatMap((line, i) => {
      const command = /^\s*(?:\$ )?\.\/gyre +(.*?)(?:\s+#.*)?$/.exec(line)?.[1]
      return command ? [{ where: `${file}:${Number(first) + i}`, command }] : []
    })
  })
  const program = createProgram()

  it.each(lines)('$where: gyre $command', ({ command: line }) => {
    const words = line.replace(/^--project \S+ /, '').split(/\s+/)
    const noun = program.commands.find((command) => command.name() === words[0])
    const verb = noun?.commands.length ? noun.commands.find((command) => command.name() === words[1]) : noun
    expect(verb?.name()).toBe(noun?.commands.length ? words[1] : words[0])
    const known = [...program.options, ...verb!.options].map(({ long }) => long)
    const used = words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.split('=')[0]!)
    expect([...known, '--help']).toEqual(expect.arrayContaining(used))
  })
})
