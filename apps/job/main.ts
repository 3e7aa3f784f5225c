/**
 * One built-in step in a process of its own, under the trainer contract: the environment names a request and an output
 * folder; progress goes to standard output as JSON lines; `result.json` is written last. Exit codes: 0 done, 65 the
 * input is at fault, 75 try again, 76 stopped on SIGTERM.
 */

import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { toPlatformError } from '#core/errors'
import { runBody, type BodyRequest, type JobResult } from '#core/execution'

const requestFile = process.env.GYRE_JOB_REQUEST
const outputDir = process.env.GYRE_JOB_OUTPUT
if (!requestFile || !outputDir) {
  process.stderr.write('GYRE_JOB_REQUEST and GYRE_JOB_OUTPUT must name the request file and the output folder\n')
  process.exit(64)
}

const abort = new AbortController()
process.once('SIGTERM', () => abort.abort(new DOMException('the job was told to stop', 'AbortError')))

async function finish(result: JobResult): Promise<void> {
  const file = path.join(outputDir!, 'result.json')
  await writeFile(`${file}.part`, JSON.stringify(result))
  await rename(`${file}.part`, file)
}

try {
  const request = JSON.parse(await readFile(requestFile, 'utf8')) as BodyRequest
  const output = await runBody(request, {
    signal: abort.signal,
    onProgress: (progress) => process.stdout.write(`${JSON.stringify({ progress })}\n`),
    onSession: () => undefined,
  })
  await finish({ ok: true, output })
} catch (error) {
  if (abort.signal.aborted) process.exit(76)
  const { code, message, details, retryable } = toPlatformError(error)
  if (code === 'INTERNAL') process.stderr.write(`${(error as Error).stack}\n`)
  await finish({ ok: false, code, message, details })
  process.exit(retryable ? 75 : 65)
}
