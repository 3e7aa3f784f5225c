import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildSupervisor } from '../../infra/supervisor/build.mjs'

const canRun = process.platform === 'linux' && spawnSync('go', ['version']).status === 0
const run = promisify(execFile)

let supervisor: string
let folder: string
let store: Store

/** An object store that knows create-only, and whose answers a test can replace by path. */
class Store {
  readonly objects = new Map<string, Buffer>()
  readonly puts: string[] = []
  /** Path → what its next requests meet: a status, or an answer that gets lost. */
  readonly faults = new Map<string, (number | 'lost')[]>()
  #server = http.createServer((request, response) => void this.#answer(request, response))

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  url(key: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${key}?X-Amz-Signature=secret`
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const key = request.url!.slice(1).split('?')[0]!
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const fault = this.faults.get(key)?.shift()
    if (typeof fault === 'number') response.writeHead(fault).end()
    else if (request.method === 'GET') {
      const object = this.objects.get(key)
      response.writeHead(object ? 200 : 404).end(object)
    } else if (request.headers['if-none-match'] === '*' && this.objects.has(key)) response.writeHead(412).end()
    else if (request.headers['content-length'] === undefined) response.writeHead(411).end()
    else {
      this.objects.set(key, Buffer.concat(chunks))
      this.puts.push(key)
      if (fault === 'lost') request.socket.destroy()
      else response.writeHead(200).end()
    }
  }

  json(key: string): Record<string, unknown> {
    return JSON.parse(this.objects.get(key)!.toString()) as Record<string, unknown>
  }

  /** Stream and text of each line of a part. */
  part(key: string): string[] {
    const [, ...lines] = gunzipSync(this.objects.get(key)!).toString().trimEnd().split('\n')
    return lines.map((line) => JSON.parse(line) as { s: string; l: string }).map(({ s, l }) => `${s} ${l}`)
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Ended {
  readonly code: number | null
  readonly told: string
}

/** Starts `sh -c script` (or another command) under a plan. */
function start(script: string | readonly string[], plan: object = {}) {
  const file = path.join(folder, 'plan.json')
  const whole = {
    inputs: [],
    outputs: [],
    log: [0, 1, 2, 3].map((slot) => store.url(`log/${slot}`)),
    end: store.url('end.json'),
    ended: store.url('end.json'),
    inputDir: path.join(folder, 'in'),
    outputDir: path.join(folder, 'out'),
    graceSeconds: 0.3,
    retrySeconds: 1,
    ...plan,
  }
  writeFileSync(file, JSON.stringify(whole))
  const command = typeof script === 'string' ? ['sh', '-c', script] : script
  const child = spawn(supervisor, ['run', '--', ...command], {
    env: { ...process.env, GYRE_SUPERVISOR_PLAN: file, HOSTNAME: 'pod-a' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const told: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => told.push(line))
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code) => resolve({ code, told: told.map((line) => `${line}\n`).join('') })),
  )
  /** Resolves when the Pod's log has that line. */
  const says = (wanted: string) =>
    new Promise<void>((resolve) => lines.on('line', (line) => (line === wanted ? resolve() : undefined)))
  return { child, ended, says }
}

describe.skipIf(!canRun)('the supervisor', () => {
  beforeAll(async () => {
    supervisor = await buildSupervisor()
  })

  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-supervisor-'))
    store = new Store()
    await store.listen()
  })

  afterEach(() => {
    store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('passes its own unit tests', async () => {
    const { stdout } = await run('go', ['test', './...'], { cwd: path.resolve('infra/supervisor') })
    expect(stdout).toMatch(/^ok\s+gyre\.dev\/supervisor/)
  })

  it('brings inputs, tells and keeps both streams, keeps outputs, and says last how it ended', async () => {
    store.objects.set('in/request.json', Buffer.from('{"k":2}'))
    const script =
      'cat $GYRE_INPUT/request.json; echo; echo broken >&2; printf x >$GYRE_OUTPUT/model; printf last; exit 3'
    const { ended } = start(script, {
      inputs: [{ name: 'request.json', url: store.url('in/request.json'), sha256: sha256('{"k":2}') }],
      outputs: ['model', 'absent'].map((name) => ({ name, url: store.url(`out/${name}`) })),
    })
    const { code, told } = await ended
    expect(code).toBe(3)
    expect(told.split('\n').sort()).toEqual(['', 'last', 'stderr| broken', '{"k":2}'])
    expect(store.part('log/0').sort()).toEqual(['err broken', 'out last', 'out {"k":2}'])
    expect(store.puts).toEqual(['log/0', 'out/model', 'end.json'])
    expect(store.json('end.json')).toMatchObject({
      v: 1,
      exitCode: 3,
      signal: null,
      oom: false,
      lastWords: 'broken',
      lines: { out: 2, err: 1 },
      outputs: { model: { sha256: sha256('x'), sizeBytes: 1 } },
      pod: 'pod-a',
    })
  })

  it('reaps orphans of the command and ends what it leaves behind', async () => {
    const script = `
      (sleep 60 & echo $! >$GYRE_OUTPUT/left) &
      (sh -c 'sh -c "echo \\$\\$ >$GYRE_OUTPUT/orphan" &')
      while [ ! -s $GYRE_OUTPUT/orphan ] || [ -e /proc/$(cat $GYRE_OUTPUT/orphan) ]; do :; done
      while [ ! -s $GYRE_OUTPUT/left ]; do :; done`
    const { ended } = start(script)
    expect((await ended).code).toBe(0)
    expect(existsSync(`/proc/${readFileSync(path.join(folder, 'out/left'), 'utf8').trim()}`)).toBe(false)
  })

  it('passes SIGTERM on, and takes exit code 76 for no end', async () => {
    const job = start("trap 'echo saved; exit 76' TERM; echo ready; while :; do sleep 0.01; done")
    await job.says('ready')
    job.child.kill('SIGTERM')
    expect(await job.ended).toEqual({ code: 76, told: 'ready\nsaved\n' })
    expect(store.puts).toEqual(['log/0'])
  })

  it('kills a command that ignores SIGTERM when the grace time is over', async () => {
    const job = start("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    await job.says('ready')
    job.child.kill('SIGTERM')
    expect((await job.ended).code).toBe(137)
    expect(store.objects.has('end.json')).toBe(false)
  })

  it('takes a signal of somebody else for the end of the job', async () => {
    expect((await start('kill -SEGV $$').ended).code).toBe(139)
    expect(store.json('end.json')).toMatchObject({ exitCode: null, signal: 'SEGV' })
  })

  it('exits at once with the code of an end that an earlier Pod wrote', async () => {
    store.objects.set('end.json', Buffer.from(JSON.stringify({ v: 1, exitCode: 7 })))
    const { code, told } = await start('echo again').ended
    expect({ code, told }).toEqual({
      code: 7,
      told: 'stderr| supervisor: an earlier Pod has ended this job already, with 7\n',
    })
  })

  it('writes into the slots that earlier Pods left free, also when the store fails for a moment', async () => {
    store.objects.set('log/0', Buffer.from('of another Pod'))
    store.faults.set('log/1', [500, 503])
    store.faults.set('end.json', [404, 500])
    expect((await start('echo hello').ended).code).toBe(0)
    expect(store.part('log/1')).toEqual(['out hello'])
    expect(store.json('end.json')).toMatchObject({ exitCode: 0 })
  })

  it('takes an end whose answer was lost for written, and repeats a part under the same number', async () => {
    store.faults.set('log/0', ['lost'])
    store.faults.set('end.json', [404, 'lost'])
    expect((await start('echo hello').ended).code).toBe(0)
    expect(store.objects.get('log/1')).toEqual(store.objects.get('log/0'))
    expect(store.puts).toEqual(['log/0', 'log/1', 'end.json'])
  })

  it('says in one sentence that outputs could not be kept, and asks to be tried again', async () => {
    store.faults.set('out/model', [403])
    const script = 'printf x >$GYRE_OUTPUT/model'
    const { code, told } = await start(script, { outputs: [{ name: 'model', url: store.url('out/model') }] }).ended
    expect(code).toBe(75)
    expect(told).toMatch(
      /^stderr\| supervisor: the output model could not be kept: the store answered 403 Forbidden for 127\.0\.0\.1:\d+\/out\/model\n$/,
    )
    expect(store.objects.has('end.json')).toBe(false)
  })

  it('refuses an input with another digest, and one that is gone', async () => {
    store.objects.set('in/a', Buffer.from('other bytes'))
    const inputs = [{ name: 'a', url: store.url('in/a'), sha256: sha256('bytes') }]
    expect((await start('echo never', { inputs }).ended).code).toBe(65)
    expect(store.json('end.json')).toMatchObject({
      exitCode: 65,
      lastWords: `supervisor: the input a cannot be had: its sha256 is ${sha256('other bytes')} and should be ${sha256('bytes')}`,
    })
    store.objects.clear()
    expect((await start('echo never', { inputs }).ended).code).toBe(65)
    expect(store.json('end.json').lastWords).toMatch(/the input a cannot be had: the store answered 404 Not Found/)
  })

  it('asks to be tried again when the store is away, before it starts anything', async () => {
    const gone = 'http://127.0.0.1:1/end.json?X-Amz-Signature=secret'
    const { code, told } = await start('echo never', { ended: gone }).ended
    expect(code).toBe(75)
    expect(told).toMatch(
      /^stderr\| supervisor: the store cannot be reached: 127\.0\.0\.1:1\/end\.json: .*; tried for 1s\n$/,
    )
  })

  it('tells what cannot be started', async () => {
    expect((await start(['no-such-program']).ended).code).toBe(127)
    expect(store.json('end.json')).toMatchObject({
      exitCode: 127,
      lastWords:
        'supervisor: cannot start no-such-program: exec: "no-such-program": executable file not found in $PATH',
    })
  })

  it('keeps a line of several megabytes in pieces', async () => {
    const { code, told } = await start('head -c 3000000 /dev/zero | tr "\\0" x; echo; echo next').ended
    expect(code).toBe(0)
    expect(told.replaceAll('\n', '')).toBe(`${'x'.repeat(3_000_000)}next`)
    expect(store.json('end.json').lines).toEqual({ out: 4, err: 0 })
  })

  it('hides its plan from the command and from its own errors', async () => {
    expect((await start('echo "${GYRE_SUPERVISOR_PLAN-hidden}"').ended).told).toBe('hidden\n')
    const bad = 'not an address ?X-Amz-Signature=secret'
    const child = start('echo never', { end: bad }).child
    let words = ''
    child.stderr.on('data', (data: Buffer) => (words += data.toString()))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code).toBe(78)
    expect(words).toBe('stderr| supervisor: the plan has an address that is not an http(s) URL\n')
  })

  it('installs itself for another container', async () => {
    const target = path.join(folder, 'gyre')
    await run(supervisor, ['install', target])
    const { code, stderr } = (await run(path.join(target, 'supervisor'), []).catch((error: unknown) => error)) as {
      code: number
      stderr: string
    }
    expect(code).toBe(64)
    expect(stderr).toBe('stderr| supervisor: usage: supervisor install DIR | supervisor run -- COMMAND [ARG…]\n')
  })
})
