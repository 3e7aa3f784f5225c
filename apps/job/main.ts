/**
 * One built-in step in a process of its own, under the trainer contract: it reads `request.json` in $GYRE_INPUT; progress
 * goes to standard output as JSON lines; `result.json` in $GYRE_OUTPUT is written last. What it needs of disk lies under
 * $GYRE_SCRATCH. Exit codes: 0 done, 65 the input is at fault, 75 try again, 76 stopped on SIGTERM.
 */

import { readFile, rename, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { toPlatformError } from '#core/errors'
import { runBody, type BodyResult, type JobRequest } from '#core/execution'

const { GYRE_INPUT: inputDir, GYRE_OUTPUT: outputDir, GYRE_SCRATCH: scratch = os.tmpdir() } = process.env
if (!inputDir || !outputDir) {
  process.stderr.write('GYRE_INPUT and GYRE_OUTPUT must name the folders of inputs and outputs\n')
  process.exit(64)
}

const abort = new AbortController()
process.once('SIGTERM', () => abort.abort(new DOMException('the job was told to stop', 'AbortError')))

async function finish(result: BodyResult): Promise<void> {
  const file = path.join(outputDir!, 'result.json')
  await writeFile(`${file}.part`, JSON.stringify(result))
  await rename(`${file}.part`, file)
}

try {
  const request = JSON.parse(await readFile(path.join(inputDir, 'request.json'), 'utf8')) as JobRequest
  const output = await runBody(
    {
      ...request,
      attempt: 1,
      scratchDir: path.join(scratch, `gyre-${process.pid}`),
      bundleDir: path.join(scratch, 'bundles'),
    },
    {
      signal: abort.signal,
      onProgress: (progress) => process.stdout.write(`${JSON.stringify({ progress })}\n`),
      onSession: () => undefined,
    },
  )
  await finish({ ok: true, output })
} catch (error) {
  if (abort.signal.aborted) process.exit(76)
  const { code, message, details, retryable } = toPlatformError(error)
  if (code === 'INTERNAL') process.stderr.write(`${(error as Error).stack}\n`)
  else process.stderr.write(`${message}\n`)
  await finish({ ok: false, code, message, details })
  process.exit(retryable ? 75 : 65)
}
