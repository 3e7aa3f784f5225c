/** `gyre test`: every test that this machine can run, what was left out, and one last line with the sums. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { installationRoot } from '#core/execution'
import { kubeFolder } from '../../../infra/local/cluster/index.ts'
import { cacheFolder, requireTemporalBinary } from '../../../infra/local/index.ts'
import { AnsweredFailure } from '../failure.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { counted } from '../words.ts'

export interface TestOptions extends CommonOptions {
  /** A project of vitest.config.ts; all where left out. */
  readonly suite?: string
}

/** The part of vitest's JSON report that is summed here. */
interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

export async function test(paths: readonly string[], options: TestOptions): Promise<void> {
  const invocation = new Invocation(options)
  await requireTemporalBinary((line) => invocation.remark(`gyre: ${line}`), invocation.env)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-test-'))
  try {
    const file = path.join(folder, 'report.json')
    const chosen = options.suite ? [`--project=${options.suite}`] : []
    const status = await vitest([...chosen, ...paths], file, invocation)
    tell(invocation, readReport(file), status)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What we built for this machine lies in the cache: tests look for their servers on PATH. */
function vitest(chosen: readonly string[], reportFile: string, { env, json }: Invocation): Promise<number> {
  const program = path.join(installationRoot(), 'node_modules', 'vitest', 'vitest.mjs')
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`, ...chosen]
  const child = spawn(process.execPath, [program, ...args], {
    cwd: installationRoot(),
    env: { ...env, PATH: [cacheFolder(env), kubeFolder(env), env['PATH'] ?? ''].join(path.delimiter) },
    // With --json standard output carries one value alone.
    stdio: ['ignore', json ? 2 : 'inherit', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function readReport(file: string): TestReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as TestReport
  } catch {
    return null // It ended before it could report; the exit code counts.
  }
}

function tell(invocation: Invocation, report: TestReport | null, exitCode: number): void {
  const results = report?.testResults ?? []
  // A file that cannot be loaded fails without any test in it.
  const broken = results.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
  const passed = report?.numPassedTests ?? 0
  const told = (report?.numFailedTests ?? 0) + broken
  // A run that failed outside every test counts once.
  const failed = told === 0 && exitCode !== 0 ? 1 : told
  const leftOut = results.flatMap(({ name, assertionResults }) => {
    const skipped = assertionResults.filter(({ status }) => status === 'skipped' || status === 'pending')
    return skipped.length > 0
      ? [{ file: path.relative(installationRoot(), name), tests: skipped.map(({ fullName }) => fullName) }]
      : []
  })
  invocation.answer({ passed, failed, leftOut }, () =>
    [...leftOut.map(leftOutText), `${passed} passed, ${failed} failed`].join('\n'),
  )
  if (failed > 0) throw new AnsweredFailure()
}

function leftOutText({ file, tests }: { file: string; tests: readonly string[] }): string {
  return `left out: ${file}, ${counted(tests.length, 'test')}: ${tests[0]}`
}
