/** What people read who wired something wrong: each line of `wrong-wirings.ts` is refused with the sentence above it. */

import path from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const fixture = path.join(import.meta.dirname, 'wrong-wirings.ts')
const MARK = '// @ts-expect-error '

const source = ts.sys.readFile(fixture)!
const wirings = source.split('\n').flatMap((line, i) => {
  const said = line.trim()
  return said.startsWith(MARK) ? [{ sentence: said.slice(MARK.length), line: i + 2 }] : []
})

/** What the compiler says of each line, the marks taken away. */
function compile(): ReadonlyMap<number, readonly string[]> {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  const unmarked = source.replaceAll('@ts-expect-error', 'says')
  host.getSourceFile = (file, target, ...rest) =>
    file === fixture ? ts.createSourceFile(file, unmarked, target) : getSourceFile(file, target, ...rest)
  const program = ts.createProgram([fixture], options, host)
  const said = new Map<number, string[]>()
  for (const { messageText, start = 0 } of program.getSemanticDiagnostics(program.getSourceFile(fixture))) {
    const line = unmarked.slice(0, start).split('\n').length
    said.set(line, [...(said.get(line) ?? []), ts.flattenDiagnosticMessageText(messageText, '\n')])
  }
  return said
}

describe('a wrong wiring', () => {
  let said: ReadonlyMap<number, readonly string[]>
  beforeAll(() => {
    said = compile()
  })

  it.each(wirings)('in line $line is refused: $sentence', ({ line, sentence }) => {
    expect(said.get(line)).toEqual([expect.stringContaining(sentence)])
  })

  it('is all that the compiler refuses', () => {
    expect([...said.keys()]).toEqual(wirings.map(({ line }) => line))
    expect(wirings.length).toBeGreaterThanOrEqual(25)
  })
})
