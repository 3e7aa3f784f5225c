/** What every job runner must do: run on child processes and on the twin in memory. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobOutcome, JobRunner, JobSpec } from '#core/compute'
import { blobKey, putBlob, readBlob, sha256Hex, type ObjectStore } from '#core/storage'

export interface JobRunnerHarness {
  readonly runner: JobRunner
  /** Where inputs come from and outputs go to. */
  readonly store: ObjectStore
  /** The command that does what the program of `test/fixtures/job-programs.mjs` does. */
  command(program: string, ...args: readonly string[]): readonly string[]
  /** Starts the job with another owner, kills that when the job runs, and gives the runner of the next owner. */
  afterDeathOfOwner(spec: JobSpec): Promise<JobRunner>
  close(): Promise<void>
}

/** @param options - `leftOut`: why it cannot run on this machine; `replaces`: one that yielded (76) is begun again where it runs, without asking the runner. */
export function jobRunnerContract(
  kind: string,
  open: () => Promise<JobRunnerHarness>,
  { replaces = false, leftOut = '' }: { readonly replaces?: boolean; readonly leftOut?: string } = {},
): void {
  describe.skipIf(leftOut)(`job runner: ${kind} ${leftOut}`.trimEnd(), () => {
    let harness: JobRunnerHarness
    let runner: JobRunner
    let names = 0
    const succeeded = { kind: 'succeeded', outputs: {} }
    const spec = (program: string, args: readonly string[] = [], changes: Partial<JobSpec> = {}): JobSpec => ({
      name: `job-${++names}`,
      command: harness.command(program, ...args),
      env: {},
      timeoutMs: 30_000,
      graceMs: 10_000,
      ...changes,
    })
    /** Runs a job to its end, collecting its lines. */
    const run = async (job: JobSpec) => {
      const lines: string[] = []
      await runner.start(job)
      const outcome = await runner.wait(job.name, { onLine: (line) => lines.push(line) })
      return { outcome, lines }
    }
    /** Starts a job and returns when it printed its first line. */
    const running = async (job: JobSpec) => {
      await runner.start(job)
      await new Promise<void>((resolve) => void runner.wait(job.name, { onLine: () => resolve() }))
    }

    beforeAll(async () => {
      harness = await open()
      runner = harness.runner
    })
    afterAll(() => harness?.close())

    it('gives every line of standard output once and in order, to each who waits, also afterwards', async () => {
      const job = spec('print', ['2000'])
      const expected = Array.from({ length: 2_000 }, (_, i) => `line ${i}`)
      await runner.start(job)
      const early: string[] = []
      await runner.wait(job.name, { onLine: (line) => early.push(line) })
      expect(early).toEqual(expected)
      const late: string[] = []
      expect(await runner.wait(job.name, { onLine: (line) => late.push(line) })).toEqual(succeeded)
      expect(late).toEqual(expected)
    })

    it('gives empty lines, and a last line without a line feed', async () => {
      expect((await run(spec('partial'))).lines).toEqual(['first', '', 'no line feed'])
    })

    it('passes the environment of the specification on', async () => {
      expect((await run(spec('env', ['GREETING'], { env: { GREETING: 'grüß "dich"' } }))).lines).toEqual([
        'grüß "dich"',
      ])
    })

    const meanings: readonly (readonly [code: string, outcome: JobOutcome])[] = [
      ['0', { kind: 'succeeded', outputs: {} }],
      ['64', { kind: 'failed', exitCode: 64, message: 'exit code 64: the cause', outputs: {} }],
      ['65', { kind: 'failed', exitCode: 65, message: 'exit code 65: the cause', outputs: {} }],
      ['78', { kind: 'failed', exitCode: 78, message: 'exit code 78: the cause', outputs: {} }],
      ['1', { kind: 'failed', exitCode: 1, message: 'exit code 1: the cause', outputs: {} }],
      ['75', { kind: 'interrupted', exitCode: 75, message: 'asked to be tried again: the cause' }],
      ['76', { kind: 'interrupted', exitCode: 76, message: 'stopped with a checkpoint when it was told to' }],
    ]
    it.each(meanings.filter(([code]) => !(replaces && code === '76')))(
      'tells what exit code %s means',
      async (code, outcome) => {
        expect((await run(spec('exit', [code, 'the cause']))).outcome).toEqual(outcome)
      },
    )

    it('fails a command that does not exist', async () => {
      const job = spec('print', [], { command: ['/no/such/program'] })
      expect((await run(job)).outcome).toMatchObject({
        kind: 'failed',
        exitCode: 127,
        message: expect.stringContaining('cannot start /no/such/program') as string,
      })
    })

    it('gives every line of standard error to each who waits, also afterwards', async () => {
      const job = spec('exit', ['65', 'broken'])
      await runner.start(job)
      const early: string[] = []
      await runner.wait(job.name, { onErrorLine: (line) => early.push(line) })
      const late: string[] = []
      await runner.wait(job.name, { onErrorLine: (line) => late.push(line) })
      expect({ early, late }).toEqual({ early: ['broken'], late: ['broken'] })
    })

    it('J1: adopts a running job of the same name, and runs it once', async () => {
      const job = spec('until-stopped')
      await running(job)
      await Promise.all([runner.start(job), runner.start(job), runner.start(job)])
      const lines: string[] = []
      const waiting = runner.wait(job.name, { onLine: (line) => lines.push(line) })
      await runner.cancel(job.name)
      await waiting
      expect(lines).toEqual(['ready', 'stopping'])
    })

    it('J1: runs a job once when many start it at the same time', async () => {
      const job = spec('print', ['1'])
      await Promise.all(Array.from({ length: 5 }, () => runner.start(job)))
      expect((await run(job)).lines).toEqual(['line 0'])
    })

    it('J1: refuses another specification under a name that is taken', async () => {
      const job = spec('exit', ['0'])
      await run(job)
      const refused = { code: 'JOB_CONFLICT', details: { name: job.name } }
      await expect(runner.start({ ...job, command: harness.command('exit', '1') })).rejects.toMatchObject(refused)
      await expect(runner.start({ ...job, env: { A: 'b' } })).rejects.toMatchObject(refused)
    })

    it('J1: adopts a job that succeeded or failed, without running it again', async () => {
      const job = spec('exit', ['65', 'broken'])
      const first = await run(job)
      await runner.start(job)
      expect(await runner.wait(job.name, {})).toEqual(first.outcome)
      expect(await runner.logTail(job.name, 10)).toEqual(['broken'])
    })

    it('runs a job again that was interrupted', async () => {
      const job = spec('exit', ['75'])
      await run(job)
      expect((await run(job)).outcome).toMatchObject({ kind: 'interrupted', exitCode: 75 })
    })

    it('J3: leaves no orphan: a job whose owner died is interrupted, or adopted by the next owner', async () => {
      const job = spec('until-stopped')
      const next = await harness.afterDeathOfOwner(job)
      if (!next.outlivesOwner)
        expect(await next.wait(job.name, {})).toEqual({
          kind: 'interrupted',
          exitCode: null,
          message: 'the process that ran it has ended',
        })
      await next.start(job)
      const lines: string[] = []
      const waiting = next.wait(job.name, { onLine: (line) => (lines.push(line), void next.cancel(job.name)) })
      expect(await waiting).toEqual({ kind: 'cancelled' })
      expect(lines).toEqual(['ready', 'stopping'])
    })

    describe('J4: files', () => {
      const bytes = Buffer.from('grüß dich\n\0\xff')
      const copy = async (args: readonly string[], outputs: readonly string[]) =>
        spec('copy', args, { inputs: { 'in.bin': (await putBlob(harness.store, bytes)).sha256 }, outputs })

      it('lie where the command looks for them, and are blobs before the outcome is known', async () => {
        const { outcome } = await run(await copy(['in.bin', 'out.bin', '0'], ['out.bin', 'not-written.bin']))
        const kept = { sha256: sha256Hex(bytes), sizeBytes: bytes.byteLength }
        expect(outcome).toEqual({ kind: 'succeeded', outputs: { 'out.bin': kept } })
        expect(Buffer.from(await readBlob(harness.store, kept.sha256))).toEqual(bytes)
      })

      it('of a command that failed are kept too', async () => {
        const { outcome } = await run(await copy(['in.bin', 'report.bin', '65'], ['report.bin']))
        expect(outcome).toMatchObject({ kind: 'failed', outputs: { 'report.bin': { sha256: sha256Hex(bytes) } } })
      })

      it('that do not exist are refused before anything runs', async () => {
        const missing = sha256Hex(Buffer.from('nobody stored this'))
        const job = spec('print', ['1'], { inputs: { a: missing } })
        await expect(runner.start(job)).rejects.toMatchObject({
          code: 'OBJECT_NOT_FOUND',
          details: { key: blobKey(missing) },
        })
      })

      it.each(['../up', 'a/b', '.hidden', ''])('are refused under the name %j', async (file) => {
        const refused = { code: 'INVALID_INPUT' }
        await expect(runner.start(spec('print', ['1'], { outputs: [file] }))).rejects.toMatchObject(refused)
        const inputs = { [file]: sha256Hex(bytes) }
        await expect(runner.start(spec('print', ['1'], { inputs }))).rejects.toMatchObject(refused)
      })
    })

    describe('J5: a checkpoint', () => {
      const resuming = (): JobSpec => spec('resume', ['half way'], { checkpoint: 'checkpoint' })
      /** What the job finds first; where it runs it may be started more than once. */
      const found = async (job: JobSpec) => (await run(job)).lines[0]

      it('is there again when the job is started once more', async () => {
        const job = resuming()
        expect(await found(job)).toBe('nothing')
        expect(await found(job)).toBe('half way')
      })

      it('goes with its job, unless it is to be kept', async () => {
        const job = resuming()
        await run(job)
        await runner.remove(job.name, { keepCheckpoint: true })
        expect(await found(job)).toBe('half way')
        await runner.remove(job.name)
        expect(await found(job)).toBe('nothing')
      })

      it('is of one job alone', async () => {
        await run(resuming())
        expect(await found(resuming())).toBe('nothing')
      })
    })

    it('cancels with SIGTERM, so that the job can end in order', async () => {
      const job = spec('until-stopped')
      await running(job)
      await runner.cancel(job.name)
      expect(await runner.wait(job.name, {})).toEqual({ kind: 'cancelled' })
      expect(await runner.logTail(job.name, 1)).toEqual(['stopping'])
    })

    it('ends a job that does not heed SIGTERM after the grace time', async () => {
      const job = spec('stubborn', [], { graceMs: 200 })
      await running(job)
      const startedMs = Date.now()
      await runner.cancel(job.name)
      expect(Date.now() - startedMs).toBeGreaterThanOrEqual(200)
      expect(await runner.wait(job.name, {})).toEqual({ kind: 'cancelled' })
    })

    it('stays cancelled when it is started again', async () => {
      const job = spec('until-stopped')
      await runner.start(job)
      await runner.cancel(job.name)
      await runner.start(job)
      expect(await runner.wait(job.name, {})).toEqual({ kind: 'cancelled' })
    })

    it('does not mind cancelling what ended or never was', async () => {
      const job = spec('exit', ['0'])
      await run(job)
      await runner.cancel(job.name)
      await runner.cancel('never-was')
      expect(await runner.wait(job.name, {})).toEqual(succeeded)
    })

    it.each(['until-stopped', 'stubborn'])('fails a job (%s) that runs longer than its limit', async (program) => {
      const { outcome } = await run(spec(program, [], { timeoutMs: 2_000, graceMs: 100 }))
      expect(outcome).toEqual({
        kind: 'failed',
        exitCode: 124,
        message: 'ran longer than its limit of 2 s',
        outputs: {},
      })
    })

    it('stops waiting, and not the job, when the signal of the waiter aborts', async () => {
      const job = spec('until-stopped')
      await running(job)
      const abort = new AbortController()
      const waiting = runner.wait(job.name, { signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(waiting).rejects.toThrow('enough')
      await runner.cancel(job.name)
      expect(await runner.logTail(job.name, 1)).toEqual(['stopping'])
    })

    it('shows the last lines, errors after output', async () => {
      const job = spec('print', ['100'])
      await run(job)
      expect(await runner.logTail(job.name, 2)).toEqual(['line 98', 'line 99'])
      expect(await runner.logTail(job.name, 0)).toEqual([])
      expect(await runner.logTail('never-was', 5)).toEqual([])
    })

    it('forgets a removed job, ending it first where it still runs', async () => {
      const job = spec('until-stopped')
      await running(job)
      await runner.remove(job.name)
      await runner.remove(job.name)
      await expect(runner.wait(job.name, {})).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
      expect((await run({ ...job, command: harness.command('print', '1') })).lines).toEqual(['line 0'])
    })

    it.each(['', 'Upper', '../up', 'a/b', '-a', 'a'.repeat(51)])('refuses the name %j', async (name) => {
      const refused = { code: 'INVALID_NAME' }
      await expect(runner.start({ ...spec('exit', ['0']), name })).rejects.toMatchObject(refused)
      await expect(runner.remove(name)).rejects.toMatchObject(refused)
    })
  })
}
