/** The trainer contract in Python, which needs no framework: how a program ends, and what it finds when it is started again. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hasPython } from './support.ts'

/** Counts to ten, a checkpoint a step; `at_five` is what happens at five. */
const counting = (atFive: string) => `
import gyre_trainer, json, sys, time
def main(job):
    manifest = job.manifest(schema=lambda value: value == 1, to=lambda value: value > 0)
    body = job.checkpoint()
    first = int(body) if body else 0
    gyre_trainer.say(f"from {first}")
    for step in range(first, manifest["to"]):
        job.at_a_stop(lambda: str(step).encode())
        if step == 5:
            ${atFive}
        job.progress(step + 1, manifest["to"], "steps", lambda: f"step {step}", last=True)
    job.keep("result.json", b"{}")
gyre_trainer.run(main)
`

interface Ending {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly errors: string
}

describe.skipIf(!hasPython)('a trainer in Python', () => {
  let folder: string
  let env: Record<string, string>
  const run = async (
    program: string,
    changes: Record<string, string> = {},
    onLine: (line: string, child: ReturnType<typeof spawn>) => void = () => {},
  ): Promise<Ending> => {
    const variables = { PATH: process.env.PATH, PYTHONPATH: path.resolve('apps/trainer'), ...env, ...changes }
    const child = spawn('python3', ['-B', '-c', program], { env: variables })
    const lines: string[] = []
    let errors = ''
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
    createInterface({ input: child.stdout }).on('line', (line) => (lines.push(line), onLine(line, child)))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, lines, errors }
  }
  const checkpoint = () => path.join(env['GYRE_CHECKPOINTS']!, 'checkpoint')
  const manifest = (value: object) => writeFile(path.join(env['GYRE_INPUT']!, 'input.json'), JSON.stringify(value))

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gyre-trainer-'))
    const at = (name: string) => path.join(folder, name)
    env = {
      GYRE_INPUT: at('in'),
      GYRE_OUTPUT: at('out'),
      GYRE_CHECKPOINTS: at('checkpoints'),
      GYRE_CHECKPOINT_SECONDS: '0',
    }
    for (const name of ['in', 'out', 'checkpoints']) await mkdir(at(name))
    await manifest({ schema: 1, to: 10 })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('ends with 0, its outputs written and its progress told as JSON lines', async () => {
    const { code, lines } = await run(counting('pass'))
    expect(code).toBe(0)
    expect(JSON.parse(lines.at(-1)!)).toEqual({ progress: { done: 10, total: 10, unit: 'steps', note: 'step 9' } })
    expect(await readFile(path.join(env['GYRE_OUTPUT']!, 'result.json'), 'utf8')).toBe('{}')
  })

  it('tells progress once a second at most', async () => {
    const often = `
import gyre_trainer
def main(job):
    for step in range(1000):
        job.progress(step, 1000, "steps", "", last=step == 999)
gyre_trainer.run(main)`
    expect((await run(often)).lines).toHaveLength(2)
  })

  it.each([
    ['64 without its folders', { GYRE_INPUT: '' }, 'pass', 64, /GYRE_INPUT must name/],
    ['65 when the input is at fault', {}, 'raise gyre_trainer.TrainerError("too dark")', 65, /^too dark$/m],
    [
      '78 when the installation is',
      {},
      'raise gyre_trainer.TrainerError("no torch", gyre_trainer.CONFIG)',
      78,
      /^no torch$/m,
    ],
    ['75 when a disk is full', {}, 'raise OSError(28, "No space left on device")', 75, /No space left on device\n$/],
    ['1 for a bug of its own', {}, 'raise KeyError("x")', 1, /KeyError: 'x'\n$/],
  ])('ends with %s', async (_, changes, atFive, code, words) => {
    expect(await run(counting(atFive), changes)).toMatchObject({ code, errors: expect.stringMatching(words) as string })
  })

  it.each([
    [{ schema: 2, to: 10 }, /input.json has schema = 2, which this trainer does not take/],
    [{ schema: 1 }, /input.json lacks to/],
  ])('refuses the manifest %j', async (value, words) => {
    await manifest(value)
    expect(await run(counting('pass'))).toMatchObject({ code: 65, errors: expect.stringMatching(words) as string })
  })

  it('ends with 76 on SIGTERM, and goes on from there', async () => {
    const stopped = await run(counting('gyre_trainer.say("at five"); time.sleep(0.5)'), {}, (line, child) => {
      if (line === 'at five') child.kill('SIGTERM')
    })
    expect(stopped).toMatchObject({ code: 76, errors: '' })
    const next = await run(counting('pass'))
    expect(next).toMatchObject({ code: 0 })
    expect(next.lines[0]).toBe('from 6')
  })

  it('goes on from its last checkpoint after kill −9', async () => {
    const killed = await run(counting('gyre_trainer.say("at five"); time.sleep(60)'), {}, (line, child) => {
      if (line === 'at five') child.kill('SIGKILL')
    })
    expect(killed.code).toBeNull()
    expect((await run(counting('pass'))).lines[0]).toBe('from 5')
  })

  it('begins anew where the checkpoint is damaged, torn, or of another training', async () => {
    await run(counting('raise KeyError'))
    const whole = await readFile(checkpoint())
    const changed = Buffer.from(whole)
    changed[changed.length - 1]! ^= 1
    await writeFile(checkpoint(), changed)
    expect((await run(counting('raise KeyError'))).lines).toEqual(
      expect.arrayContaining(['the checkpoint is damaged; the training begins anew', 'from 0']),
    )
    await writeFile(checkpoint(), whole.subarray(0, 40))
    expect((await run(counting('raise KeyError'))).lines).toContain('from 0')
    await writeFile(checkpoint(), whole)
    await manifest({ schema: 1, to: 11 })
    expect((await run(counting('raise KeyError'))).lines).toEqual(
      expect.arrayContaining(['the checkpoint is of another training; this one begins anew', 'from 0']),
    )
  })

  it('runs where nobody keeps checkpoints', async () => {
    expect(await run(counting('pass'), { GYRE_CHECKPOINTS: '' })).toMatchObject({ code: 0 })
  })
})
