import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { StepContext } from '#core/execution'
import { silentLogger } from '#core/log'
import {
  connectSession,
  listSessions,
  readEvents,
  readOutcome,
  readRounds,
  requestStop,
  sessionRecord,
  simulateAnnotator,
  verifyCertificate,
  type CertificateReport,
  type SessionHost,
  type SessionState,
} from '#core/labelling'
import type { annotate, StepInput } from '#core/steps'
import { createMemoryStore, readBlob, readLease, type ObjectStore } from '#core/storage'
import type { FinalLabel } from '../../../core/labelling/engine.ts'
import { hostSessionOn, type OpenMaterial } from '../../../core/labelling/host.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import { makeBlobs } from './blobs.ts'

const blobs = makeBlobs({ images: 240, classes: 3, spread: 0.06, seed: 4 })
const SESSION = 'run-1.annotate'
let folder: string
let oracle: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-labelling-'))
  oracle = path.join(folder, 'oracle.json')
  await writeFile(oracle, JSON.stringify(blobs.truth))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const blob = { sha256: '0'.repeat(64), sizeBytes: 1 }
const version = { kind: 'dataset-version', dataset: 'blobs', version: '1'.repeat(64), images: 240 } as const
const embeddings = {
  kind: 'embeddings',
  dataset: version,
  matrix: blob,
  images: 240,
  dims: 12,
  embedder: blob,
  inputSize: { height: 8, width: 8 },
} as const

function inputOf(annotator: 'web' | 'simulated'): StepInput<typeof annotate> {
  return {
    version,
    embeddings,
    clusters: { kind: 'clusters', embeddings, k: 8, assignment: blob, centroids: blob },
    classes: blobs.problem.classes.slice(),
    annotator,
    ...(annotator === 'simulated' ? { oracle } : {}),
    targetAccuracy: 0.95,
    seed: 7,
  }
}

interface Life {
  readonly done: ReturnType<typeof hostSessionOn>
  readonly states: SessionState[]
  readonly committed: FinalLabel[][]
  kill(): Promise<void>
}

/** Starts a host; `kill` aborts it, as a dying process would leave the store. */
function live(store: ObjectStore, annotator: 'web' | 'simulated', host?: string): Life {
  const abort = new AbortController()
  const states: SessionState[] = []
  const committed: FinalLabel[][] = []
  const openMaterial: OpenMaterial = () =>
    Promise.resolve({
      problem: blobs.problem,
      commit: (labels) => {
        committed.push([...labels])
        return Promise.resolve({ ...version, version: '2'.repeat(64) })
      },
    })
  const ctx: StepContext = {
    store,
    runId: 'run-1',
    nodeId: 'annotate',
    attempt: 1,
    scratchDir: folder,
    signal: abort.signal,
    log: silentLogger(),
    progress: () => undefined,
  }
  const onState = (state: SessionState): void => void states.push(state)
  const done = hostSessionOn(openMaterial, inputOf(annotator), ctx, {
    sessionId: SESSION,
    onState,
    ...(host && { host }),
  })
  done.catch(() => undefined)
  const kill = async (): Promise<void> => {
    abort.abort(new Error('killed'))
    await expect(done).rejects.toThrow('killed')
  }
  return { done, states, committed, kill }
}

/** The session's host, once it answers. */
async function reach(store: ObjectStore): Promise<SessionHost> {
  return vi.waitFor(
    async () => {
      const host = await connectSession(store, SESSION)
      await host.state()
      return host
    },
    { timeout: 20_000, interval: 20 },
  )
}

describe('a session of the simulated annotator', () => {
  it('ends certified, with labels for every image and a certificate that can be computed anew', async () => {
    const store = createMemoryStore()
    const { done, states, committed } = live(store, 'simulated')
    const output = await done
    expect(output.session).toBe(SESSION)
    expect(output.certificate!.atLeast).toBeGreaterThanOrEqual(0.95)
    expect(output.stats).toMatchObject({ images: 240, costModel: 'keyboard' })
    expect(states[0]!.status).toBe('open')
    expect(states.at(-1)).toMatchObject({ status: 'certified', labelled: 240, screensLeft: 0 })

    const report = JSON.parse(
      Buffer.from(await readBlob(store, output.certificate!.report)).toString(),
    ) as CertificateReport
    const evidence = {
      labels: committed[0]!.flatMap((row) => (row.label === null ? [] : [[row.digest, row.label] as const])),
      rounds: await readRounds(store, SESSION),
      events: await readEvents(store, SESSION),
    }
    expect(verifyCertificate(report, evidence)).toEqual([])
    const sampled = new Set(report.looks.at(-1)!.sample.map((s) => s.image))
    const alter = (which: boolean) => {
      const at = evidence.labels.findIndex(([digest]) => sampled.has(digest) === which)
      return evidence.labels.map(([digest, label], i) => [digest, i === at ? 'class-9' : label] as const)
    }
    expect(verifyCertificate(report, { ...evidence, labels: alter(false) }).join()).toMatch(/digest of the frozen/)
    expect(verifyCertificate(report, { ...evidence, labels: alter(true) }).join()).toMatch(/not what people judged/)
    const audited = evidence.rounds.findLast((round) => round.audit)!.screens[0]!.id
    const incomplete = evidence.events.filter((event) => event.type !== 'answer' || event.screen !== audited)
    expect(verifyCertificate(report, { ...evidence, events: incomplete }).join()).toMatch(/wrong labels found/)
  })

  it('hosted again after its end returns the same outcome and labels nothing', async () => {
    const store = createMemoryStore()
    const first = await live(store, 'simulated').done
    const again = live(store, 'simulated')
    expect(await again.done).toEqual(first)
    expect(again.committed).toEqual([])
    expect(again.states).toMatchObject([{ status: 'certified' }])
  })

  it('killed in the middle and hosted again comes to the same labels as one that lived through', async () => {
    const store = createMemoryStore()
    const first = live(store, 'simulated')
    await vi.waitFor(async () => expect((await readEvents(store, SESSION)).length).toBeGreaterThan(4), { interval: 1 })
    await first.kill()
    const resumed = live(store, 'simulated')
    const output = await resumed.done
    const undisturbed = live(createMemoryStore(), 'simulated')
    expect(output.stats).toEqual((await undisturbed.done).stats)
    expect(resumed.committed).toEqual(undisturbed.committed)
  })

  it('without an oracle is refused', async () => {
    const { oracle: _, ...input } = inputOf('simulated')
    const ctx = { store: createMemoryStore(), runId: 'r', nodeId: 'n' } as StepContext
    const hosted = hostSessionOn(() => Promise.reject(new Error('unused')), input, ctx, {
      sessionId: 's',
      onState: () => undefined,
    })
    await expect(hosted).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('a session that people answer', () => {
  it('is found, listed, answered over HTTP and finished', async () => {
    const store = createMemoryStore()
    const { done } = live(store, 'web')
    const host = await reach(store)
    expect(await listSessions(store)).toEqual([await sessionRecord(store, SESSION)])
    expect(await sessionRecord(store, SESSION)).toMatchObject({ run: 'run-1', node: 'annotate', dataset: 'blobs' })
    await simulateAnnotator(host, blobs.truth, 'anna')
    const { certificate } = await done
    expect(certificate!.atLeast).toBeGreaterThanOrEqual(0.95)

    const closed = await connectSession(store, SESSION)
    expect(await closed.next('anna', 3)).toEqual([])
    expect(await closed.state()).toMatchObject({ status: 'certified', people: 1 })
    expect(await closed.people()).toMatchObject([{ annotator: 'anna', activeMs: 0, agreement: { images: 0 } }])
    expect(await closed.disagreements(null, 10)).toEqual([])
    await expect(closed.undo('anna')).rejects.toMatchObject({ code: 'SESSION_CLOSED' })
  })

  // Any address of 127.0.0.0/8 is there on Linux alone.
  it.runIf(process.platform === 'linux')(
    'is found at the address that its host was given, and there alone',
    async () => {
      const store = createMemoryStore()
      const life = live(store, 'web', '127.0.0.2')
      await reach(store)
      const { url, token } = (await readLease<{ url: string; token: string }>(store, `session-${SESSION}`))!.data!
      expect(new URL(url).hostname).toBe('127.0.0.2')
      const ask = (at: string, bearer: string) =>
        fetch(`${at}/state`, { method: 'POST', headers: { authorization: `Bearer ${bearer}` } })
      expect((await ask(url, token)).status).toBe(200)
      expect((await ask(url, 'of somebody else')).status).toBe(503)
      await expect(ask(url.replace('127.0.0.2', '127.0.0.1'), token)).rejects.toThrow()
      await life.kill()
    },
  )

  it('does not begin on an address of another machine', async () => {
    const { done } = live(createMemoryStore(), 'web', '203.0.113.1')
    await expect(done).rejects.toThrow(
      'labelling sessions cannot listen on 203.0.113.1 (EADDRNOTAVAIL); set GYRE_SESSION_HOST to an address of this machine or Pod',
    )
  })

  it('tells annotators nothing of gold', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    const screens = await (await reach(store)).next('anna', 8)
    for (const screen of screens)
      expect(Object.keys(screen).sort()).toEqual(['id', 'images', 'kind', 'proposed', 'secondGuess'])
    await life.kill()
  })

  it('gives two people different screens', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    const host = await reach(store)
    const [anna, bert] = [await host.next('anna', 2), await host.next('bert', 2)]
    expect(new Set([...anna, ...bert].map((screen) => screen.id)).size).toBe(4)
    expect(await host.next('anna', 2)).toEqual(anna)
    await life.kill()
  })

  it('takes the same answer twice, and a late one, without harm', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    const host = await reach(store)
    const screen = (await host.next('anna', 1))[0]!
    const answer = simulatedAnswer(screen, blobs.truth, 'anna')
    const [first, second] = await Promise.all([host.submit(answer), host.submit(answer)])
    expect(second!.labelled).toBe(first!.labelled)
    expect(await readEvents(store, SESSION)).toHaveLength(1)
    const late = await host.submit({ ...answer, annotator: 'bert', class: 'class-0', misfits: [] })
    expect(late.labelled).toBe(first!.labelled)
    expect(late.screens).toBe(2)
    await life.kill()
  })

  it('undoes across submits, newest first, and survives a restart with it', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    const host = await reach(store)
    const [one, two] = await host.next('anna', 2)
    expect(await host.undo('anna')).toBeNull()
    await host.submit(simulatedAnswer(one!, blobs.truth, 'anna'))
    const { labelled } = await host.submit(simulatedAnswer(two!, blobs.truth, 'anna'))
    expect(await host.undo('anna')).toMatchObject({ screen: two })
    expect(await host.undo('anna')).toMatchObject({ screen: one })
    expect(await host.undo('bert')).toBeNull()
    expect((await host.state()).labelled).toBe(0)
    await host.submit(simulatedAnswer(one!, blobs.truth, 'anna'))
    await life.kill()

    const again = live(store, 'web')
    const rehosted = await reach(store)
    expect((await rehosted.state()).labelled).toBe(labelled - two!.images.length)
    expect((await rehosted.next('anna', 1))[0]).toEqual(two)
    await again.kill()
  })

  it('shows the same open screens after its host died', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    const host = await reach(store)
    for (const screen of await host.next('anna', 7)) await host.submit(simulatedAnswer(screen, blobs.truth, 'anna'))
    const before = await host.next('anna', 4)
    await life.kill()
    await expect(host.state()).rejects.toMatchObject({ code: 'SESSION_HOST_UNAVAILABLE' })
    const again = live(store, 'web')
    await reach(store)
    expect(await host.next('anna', 4)).toEqual(before)
    await again.kill()
  })

  it('stopped by a person ends with the labels there are and no certificate', async () => {
    const store = createMemoryStore()
    const { done, states, committed } = live(store, 'web')
    const host = await reach(store)
    const screen = (await host.next('anna', 1))[0]!
    await host.submit(simulatedAnswer(screen, blobs.truth, 'anna'))
    expect(await host.stop('olga')).toMatchObject({ status: 'stopped' })
    expect(await done).toMatchObject({ certificate: null })
    expect(states.at(-1)!.status).toBe('stopped')
    const seen = committed[0]!.filter((row) => row.humanSeen).map((row) => row.digest)
    expect(seen.sort()).toEqual([...screen.images].sort())
    await expect(host.submit(simulatedAnswer(screen, blobs.truth, 'bert'))).rejects.toMatchObject({
      code: 'SESSION_CLOSED',
    })
  })

  it('hears a request to stop that was only left in the store', async () => {
    const store = createMemoryStore()
    const { done } = live(store, 'web')
    await reach(store)
    await requestStop(store, SESSION, 'olga')
    expect(await done).toMatchObject({ certificate: null })
    expect((await readOutcome(store, SESSION))!.state.status).toBe('stopped')
  })

  it('refuses calls without its token', async () => {
    const store = createMemoryStore()
    const life = live(store, 'web')
    await reach(store)
    const { readLease } = await import('#core/storage')
    const { url } = (await readLease<{ url: string }>(store, `session-${SESSION}`))!.data!
    const response = await fetch(`${url}/state`, { method: 'POST', headers: { authorization: 'Bearer wrong' } })
    expect(response.status).toBe(503)
    expect(await response.json()).not.toHaveProperty('result')
    await life.kill()
  })

  it('a session that nobody opened is not found', async () => {
    const store = createMemoryStore()
    await expect(connectSession(store, 'nobody')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' })
    await expect(requestStop(store, 'nobody', 'olga')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' })
    expect(await listSessions(store)).toEqual([])
  })
})
