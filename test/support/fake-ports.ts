/**
 * Everything that the HTTP server asks for, in memory: one dataset of drawn images, one labelling session with a known
 * truth, runs that a test moves by hand. What a test wants to look at is public.
 */

import sharp from 'sharp'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { openDrop } from '#core/batch'
import { PlatformError } from '#core/errors'
import { can, type Action } from '#core/identity'
import type { Plan } from '#core/plan'
import type {
  Engine,
  Forecast,
  ForecastRequest,
  ForkRequest,
  PersonsAnswer,
  RerunRequest,
  RunFilter,
  RunRecord,
  RunReport,
  StepReport,
} from '#core/runs'
import { blobsOf } from '../../apps/api/adapters/blobs.ts'
import { healthOf } from '../../apps/api/adapters/dataset-health.ts'
import { certificatesOf } from '../../apps/api/adapters/certificates.ts'
import { datasetVersionsOf } from '../../apps/api/adapters/dataset-versions.ts'
import { retentionOf } from '../../apps/api/adapters/retention.ts'
import { neighboursOf, streamsOf } from '../../apps/api/adapters/dataset-neighbours.ts'
import { approvalsOf } from '../../apps/api/adapters/approvals.ts'
import { datasetCatalogOf } from '../../apps/api/adapters/dataset-catalog.ts'
import { keepCatalogs } from '../../apps/api/adapters/kept-catalogs.ts'
import { peopleOf } from '../../apps/api/adapters/people.ts'
import { settingsOf } from '../../apps/api/adapters/settings.ts'
import { runDetailsOf } from '../../apps/api/adapters/run-details.ts'
import type { ApiPorts, IdentityPort, TriggerPort } from '../../apps/api/ports.ts'
import type { BatchView, EndpointDetail, ModelDetail, Principal, SessionRecord } from '../../apps/api/schemas.ts'
import { triggerNotFound } from '#core/triggers'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'
import type {
  AnnotatorStats,
  Answer,
  ClassChange,
  Comment,
  Disagreement,
  Instructions,
  Reasons,
  Screen,
  SessionHost,
  SessionLabel,
  SessionState,
  Undone,
} from '#core/labelling'

export const CLASSES = ['scratch', 'dent', 'pit', 'stain', 'crack', 'clean'] as const
export const RUN = 'image-classifier-1'
export const SESSION = 'session-1'

/** One drawn image of a class; the same number always gives the same bytes. */
export async function drawImage(className: string, number: number): Promise<Uint8Array> {
  const index = CLASSES.indexOf(className as (typeof CLASSES)[number])
  const x = 20 + ((number * 37) % 50)
  const y = 20 + ((number * 23) % 50)
  const marks = [
    `<path d="M${x} ${y} l40 25" stroke="#222" stroke-width="2"/>`,
    `<circle cx="${x}" cy="${y}" r="14" fill="#6b6b6b"/><circle cx="${x - 3}" cy="${y - 3}" r="10" fill="#cfcfcf"/>`,
    [0, 1, 2, 3, 4].map((i) => `<circle cx="${x + i * 7}" cy="${y + ((i * 13) % 20)}" r="2.5" fill="#111"/>`).join(''),
    `<ellipse cx="${x}" cy="${y}" rx="22" ry="13" fill="#8a6a3a" opacity="0.7"/>`,
    `<path d="M${x} 0 l6 30 l-9 28 l7 40" stroke="#111" stroke-width="3" fill="none"/>`,
    '',
  ]
  const grey = 150 + ((number * 11) % 60)
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"><rect width="96" height="96" fill="rgb(${grey},${grey},${grey + 8})"/>${marks[index]}</svg>`
  return sharp(Buffer.from(svg)).png().toBuffer()
}

export interface DrawnImage {
  readonly digest: string
  readonly bytes: Uint8Array
  readonly class: string
}

const drawn = new Map<number, Promise<readonly DrawnImage[]>>()

/** `perClass` images of each class, drawn once for a test file. */
export function drawDataset(perClass: number): Promise<readonly DrawnImage[]> {
  const images = drawn.get(perClass) ?? drawImages(perClass)
  drawn.set(perClass, images)
  return images
}

async function drawImages(perClass: number): Promise<readonly DrawnImage[]> {
  const wanted = CLASSES.flatMap((className) =>
    Array.from({ length: perClass }, (_, number) => ({
      className,
      number: number * CLASSES.length + CLASSES.indexOf(className),
    })),
  )
  return Promise.all(
    wanted.map(async ({ className, number }) => {
      const bytes = await drawImage(className, number)
      return {
        digest: createHash('sha256').update(bytes).update(`${className}${number}`).digest('hex'),
        bytes,
        class: className,
      }
    }),
  )
}

/** Plays the process that owns a session: hands out the screens it was given, in order, and keeps the answers. */
export class FakeSession implements SessionHost {
  readonly answers: Omit<Answer, 'at'>[] = []
  readonly withdrawn: Omit<Answer, 'at'>[] = []
  readonly requests: Parameters<SessionHost['request']>[] = []
  classes: string[] = [...CLASSES]
  stats: AnnotatorStats[] = []
  disputed: Disagreement[] = []
  readonly comments: Comment[] = []
  instructions: Instructions = { text: '', examples: {}, by: null, at: null }
  status: SessionState['status'] = 'open'
  /** Set to make the next submissions fail. */
  trouble: PlatformError | null = null

  constructor(
    readonly screens: Screen[],
    readonly images: number,
  ) {}

  async next(_annotator: string, count: number): Promise<readonly Screen[]> {
    if (this.status !== 'open') return []
    return this.screens.filter(({ id }) => !this.answers.some((a) => a.screen === id)).slice(0, count)
  }

  async submit(answer: Omit<Answer, 'at'>): Promise<SessionState> {
    if (this.trouble) throw this.trouble
    if (this.status !== 'open') throw new PlatformError('SESSION_CLOSED', 'the session has ended; its answers are kept')
    if (!this.screens.some(({ id }) => id === answer.screen))
      throw new PlatformError('SCREEN_INVALID', `no screen ${answer.screen}; reload the page`)
    if (!this.answers.some(({ screen }) => screen === answer.screen)) this.answers.push(answer)
    if (this.answers.length === this.screens.length) this.status = 'certified'
    return this.state()
  }

  async undo(): Promise<Undone | null> {
    const withdrawn = this.answers.pop()
    const screen = this.screens.find(({ id }) => id === withdrawn?.screen)
    if (!withdrawn || !screen) return null
    this.status = 'open'
    this.withdrawn.push(withdrawn)
    return { screen, answer: { ...withdrawn, at: '2026-03-02T10:00:00.000Z' } }
  }

  async redo(): Promise<Screen | null> {
    const again = this.withdrawn.pop()
    if (!again) return null
    await this.submit(again)
    return this.screens.find(({ id }) => id === again.screen) ?? null
  }

  async changeClasses(change: ClassChange): Promise<SessionState> {
    if ('add' in change) this.classes.push(change.add)
    else this.classes = this.classes.filter((name) => name !== change.remove)
    return this.state()
  }

  async request(...asked: Parameters<SessionHost['request']>): Promise<SessionState> {
    this.requests.push(asked)
    return this.state()
  }

  review(): Promise<SessionState> {
    return this.state()
  }

  async reasons(): Promise<Reasons> {
    const neighbours = this.screens[0]!.images.slice(0, 8).map((digest) => ({ digest, class: 'dent', similarity: 0.9 }))
    return { chance: 0.93, predicted: 'dent', margin: 0.4, cluster: 3, neighbours }
  }

  async people(): Promise<readonly AnnotatorStats[]> {
    return this.stats
  }

  async disagreements(): Promise<readonly Disagreement[]> {
    return this.disputed
  }

  async *labels(): AsyncIterable<SessionLabel> {
    for (const { screen, class: name, annotator } of this.answers)
      for (const digest of this.screens.find(({ id }) => id === screen)!.images)
        yield {
          digest,
          label: name,
          origin: 'human',
          humanSeen: true,
          excluded: null,
          annotators: [annotator],
          at: '2026-03-02T10:00:00.000Z',
        }
  }

  async state(): Promise<SessionState> {
    const seen = this.answers.map(({ screen }) => this.screens.find(({ id }) => id === screen)!.images.length)
    const labelled = seen.reduce((sum, n) => sum + n, 0)
    const misfits = this.answers.reduce((sum, a) => sum + a.misfits.length, 0)
    const humanSeconds = this.answers.length * 1.63 + labelled * 0.2 + misfits * 1.69
    return {
      session: SESSION,
      status: this.status,
      images: this.images,
      labelled,
      screens: this.answers.length,
      misfits,
      certified: this.answers.length * 2 >= this.screens.length ? { atLeast: 0.981, confidence: 0.95 } : null,
      humanSeconds,
      speedUp: humanSeconds ? (labelled * 1.93) / humanSeconds : 0,
      screensLeft: this.screens.length - this.answers.length,
      pace: { grid: null, control: null },
      secondsLeft: null,
      people: new Set(this.answers.map(({ annotator }) => annotator)).size,
      disagreements: this.disputed.length,
      classes: this.classes,
    }
  }

  async stop(): Promise<SessionState> {
    this.status = 'stopped'
    return this.state()
  }
}

/** One cluster screen per class, each with two images of the next class hidden in it, then one verify grid and one single. */
export function drawScreens(images: readonly DrawnImage[]): Screen[] {
  const of = (className: string) => images.filter((image) => image.class === className).map(({ digest }) => digest)
  const screens: Omit<Screen, 'id'>[] = CLASSES.map((className, index) => {
    const next = CLASSES[(index + 1) % CLASSES.length]!
    const shown = [...of(className).slice(2, 24), ...of(next).slice(0, 2)]
    return { kind: 'cluster', proposed: null, images: shown, secondGuess: shown.map((_, i) => (i >= 22 ? next : null)) }
  })
  const verified = of('dent').slice(24, 40)
  screens.push({ kind: 'verify', proposed: 'dent', images: verified, secondGuess: verified.map(() => 'pit') })
  screens.push({ kind: 'single', proposed: null, images: of('crack').slice(24, 25), secondGuess: ['scratch'] })
  return screens.map((screen, index) => ({ id: String(index + 1).padStart(6, '0'), ...screen }))
}

export function fakeStep(id: string, needs: readonly string[], over: Partial<StepReport> = {}): StepReport {
  return {
    id,
    step: id,
    needs,
    status: 'completed',
    origin: 'ran',
    attempts: 1,
    startedAt: '2026-03-02T10:00:00.000Z',
    endedAt: '2026-03-02T10:00:03.100Z',
    reason: null,
    progress: null,
    outputs: {},
    code: null,
    ...over,
  }
}

/** The record of a run whose plan has these nodes, each with what it needs. */
export function fakeRecord(
  run: string,
  nodes: readonly (readonly [id: string, ...needs: string[]])[],
  over: Partial<RunRecord> = {},
): RunRecord {
  const plan: Plan = {
    format: 2,
    pipeline: 'image-classifier',
    codeVersion: 'v1',
    params: {},
    nodes: nodes.map(([id, ...needs]) => ({
      id,
      step: id,
      kind: 'activity',
      input: Object.fromEntries(needs.map((need) => [need, { $ref: need, path: [] }])),
      needs,
      when: null,
      policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: true },
      codeVersion: 'v1',
      bundle: null,
    })),
    digest: 'f'.repeat(64),
  }
  return { run, plan, by: 'ada', startedAt: '2026-03-02T10:00:00.000Z', ...over }
}

export class FakeEngine implements Engine {
  readonly runs = new Map<string, RunReport>()
  /** What was asked, in order: `cancel image-classifier-1 by ada`. */
  readonly asked: string[] = []
  readonly answers: PersonsAnswer[] = []
  /** Set to make answers be refused with this sentence. */
  refusesWith: string | null = null

  put(report: Partial<RunReport> & { id: string }): void {
    const before = this.runs.get(report.id)
    this.runs.set(report.id, {
      pipeline: 'image-classifier',
      status: 'running',
      startedAt: '2026-03-02T10:00:00.000Z',
      endedAt: null,
      params: {},
      temporalUrl: null,
      steps: [],
      ...before,
      ...report,
    })
  }

  async pipelines() {
    return [
      {
        name: 'image-classifier',
        file: 'pipelines/image-classifier.ts',
        description: 'Labels, trains, deploys.',
        params: {},
      },
    ]
  }

  async plan(pipeline: string, params: unknown) {
    if (pipeline !== 'image-classifier')
      throw new PlatformError('PIPELINE_NOT_FOUND', `no pipeline "${pipeline}"; see gyre pipeline list`, { pipeline })
    return { nodes: [], params }
  }

  async start(pipeline: string, params: unknown, { by, runId }: { by: string; runId?: string }) {
    const id = runId ?? `${pipeline}-${this.runs.size + 1}`
    this.asked.push(`start ${pipeline} by ${by}`)
    this.put({ id, pipeline, params, status: 'running' })
    return { id }
  }

  async forecast({ kind, ...request }: ForecastRequest): Promise<Forecast> {
    this.asked.push(`forecast ${kind} ${JSON.stringify(request)}`)
    return { pipeline: 'image-classifier', params: {}, against: null, nodes: [], removed: [], estimateMs: null }
  }

  async rerun({ run, from }: RerunRequest, { by, runId }: { by: string; runId?: string }) {
    const { pipeline, params } = await this.show(run)
    const id = runId ?? `${pipeline}-${this.runs.size + 1}`
    this.asked.push(`rerun ${run} from ${from.join(', ')} by ${by}`)
    this.put({ id, pipeline, params, basedOn: { kind: 'rerun', run, forced: from } })
    return { id }
  }

  async fork({ run, pipeline, params }: ForkRequest, { by, runId }: { by: string; runId?: string }) {
    await this.show(run)
    const id = runId ?? `${pipeline}-${this.runs.size + 1}`
    this.asked.push(`fork ${run} to ${pipeline} by ${by}`)
    this.put({ id, pipeline, params, basedOn: { kind: 'fork', run, forced: [] } })
    return { id }
  }

  async list({ pipeline, status, limit }: RunFilter = {}) {
    return [...this.runs.values()]
      .filter((run) => (!pipeline || run.pipeline === pipeline) && (!status || run.status === status))
      .slice(0, limit)
  }

  async show(run: string) {
    const report = this.runs.get(run)
    if (!report) throw new PlatformError('RUN_NOT_FOUND', `no run "${run}"; see gyre run list`, { run })
    return report
  }

  async cancel(run: string, by: string) {
    await this.show(run)
    this.asked.push(`cancel ${run} by ${by}`)
    this.put({ id: run, status: 'cancelled', endedAt: '2026-03-02T10:05:00.000Z' })
  }

  async resume(run: string, by: string) {
    const { status } = await this.show(run)
    if (status === 'running') throw new PlatformError('RUN_NOT_RESUMABLE', `run ${run} is running; wait for it`)
    this.asked.push(`resume ${run} by ${by}`)
    this.put({ id: run, status: 'running', endedAt: null })
  }

  async openQuestions() {
    return null
  }

  async answerApproval(run: string, node: string, answer: PersonsAnswer) {
    await this.show(run)
    if (this.refusesWith) throw new PlatformError('INVALID_INPUT', this.refusesWith)
    this.answers.push(answer)
    this.asked.push(`${answer.approved ? 'approve' : 'refuse'} ${run}/${node} by ${answer.by}: ${answer.why}`)
  }

  async stopSession(session: string, by: string) {
    this.asked.push(`stop ${session} by ${by}`)
  }
}

/** The token of a person is `token-NAME`, a code `code-NAME` works once. */
export class FakeIdentity implements IdentityPort {
  readonly people = new Map<string, Principal>([
    ['ada', { name: 'ada', role: 'owner' }],
    ['ann', { name: 'ann', role: 'annotator' }],
    ['opal', { name: 'opal', role: 'operator' }],
    ['vic', { name: 'vic', role: 'viewer' }],
  ])
  readonly codes = new Set(['code-ada', 'code-ann', 'code-vic'])

  async authenticate(token: string) {
    return this.people.get(token.replace(/^token-/, '')) ?? null
  }

  async redeem(code: string) {
    const principal = this.people.get(code.replace('code-', ''))
    return this.codes.delete(code) && principal ? { token: code.replace('code-', 'token-'), principal } : null
  }

  async revoke(token: string) {
    this.people.delete(token.replace('token-', ''))
  }

  allows({ role }: Principal, action: Action) {
    return can(role, action)
  }
}

/** No definition has triggers. */
export const NO_TRIGGERS: TriggerPort = {
  list: async () => [],
  fires: async (pipeline, name) => triggerNotFound(pipeline, name),
  pause: async (pipeline, name) => triggerNotFound(pipeline, name),
  resume: async (pipeline, name) => triggerNotFound(pipeline, name),
  fire: async (pipeline, name) => triggerNotFound(pipeline, name),
  backfill: async (pipeline, name) => triggerNotFound(pipeline, name),
  newSecret: async (pipeline, name) => triggerNotFound(pipeline, name),
  deliver: async (pipeline, name) => triggerNotFound(pipeline, name),
}

export interface FakeWorld extends ApiPorts {
  readonly engine: FakeEngine
  readonly identity: FakeIdentity
  readonly session: FakeSession
  readonly images: readonly DrawnImage[]
  readonly batchViews: BatchView[]
  /** Where the traffic of endpoints was asked to go. */
  readonly moves: unknown[]
  /** Where open questions and links are kept. */
  readonly questions: ObjectStore
  /** Where dropped images go. */
  readonly drops: ObjectStore
  /** Records, logs and artifacts of runs. */
  readonly store: ObjectStore
}

const SESSION_RECORD: SessionRecord = {
  id: SESSION,
  run: RUN,
  dataset: 'surfaces',
  version: 'a'.repeat(64),
  images: 240,
  classes: [...CLASSES],
  annotator: 'web',
  openedAt: '2026-03-02T10:00:05.000Z',
  task: 'single',
  overlap: 1,
  targetAccuracy: 0.98,
}

const MODEL: ModelDetail = {
  name: 'surface-defects',
  versions: [
    {
      version: 1,
      digest: 'b'.repeat(64),
      trainer: 'head',
      classes: [...CLASSES],
      accuracy: 0.974,
      interval: [0.961, 0.984],
      report: 'c'.repeat(64),
      run: RUN,
      dataset: { name: 'surfaces', version: 'a'.repeat(64) },
      registeredAt: '2026-03-02T10:04:00.000Z',
    },
  ],
  aliases: [{ alias: 'champion', version: 1 }],
}

const ENDPOINT: EndpointDetail = {
  name: MODEL.name,
  url: 'http://127.0.0.1:8100',
  revisions: [
    {
      revision: 1,
      model: { name: MODEL.name, version: 1 },
      wanted: 2,
      ready: 2,
      percent: 100,
      trouble: null,
      waiting: null,
    },
  ],
  history: [{ at: '2026-03-02T10:05:00.000Z', by: 'ada', shares: { 1: 100 } }],
}

/** A whole world; `empty` has nothing in it yet. */
export async function fakeWorld({ empty = false, perClass = 40 } = {}): Promise<FakeWorld> {
  const images = empty ? [] : await drawDataset(perClass)
  const byDigest = new Map(images.map((image) => [image.digest, image]))
  const session = new FakeSession(empty ? [] : drawScreens(images), images.length)
  const engine = new FakeEngine()
  const batchViews: BatchView[] = []
  const moves: unknown[] = []
  const drops = createMemoryStore()
  const questions = createMemoryStore()
  const store = createMemoryStore()
  const models = new Map(empty ? [] : [[MODEL.name, structuredClone(MODEL) as ModelDetail]])
  const dataset = () => {
    if (empty) throw new PlatformError('DATASET_NOT_FOUND', 'no dataset "surfaces"; see gyre dataset list')
  }
  return {
    engine,
    drops,
    store,
    runDetails: runDetailsOf(store, engine),
    blobs: blobsOf(store),
    neighbours: neighboursOf(store),
    versions: datasetVersionsOf(store),
    health: healthOf(store, engine),
    retention: retentionOf(store, engine),
    streams: streamsOf(store),
    identity: new FakeIdentity(),
    approvals: approvalsOf(questions, engine),
    triggers: NO_TRIGGERS,
    questions,
    people: peopleOf(createMemoryStore(), { forget: () => undefined }),
    settings: settingsOf(store),
    certificates: certificatesOf(store),
    session,
    images,
    batchViews,
    moves,
    datasets: {
      async list() {
        return empty
          ? []
          : [{ name: 'surfaces', version: 'a'.repeat(64), images: images.length, labelled: 120, classes: 6 }]
      },
      async show(name) {
        dataset()
        return {
          name,
          version: 'a'.repeat(64),
          images: images.length,
          labelled: 120,
          humanSeen: 96,
          excluded: 1,
          splits: { train: images.length - 48, test: 48 },
          classes: CLASSES.map((className) => ({ class: className, images: 20, humanSeen: 16 })),
          history: [
            { version: 'a'.repeat(64), at: '2026-03-02T10:03:00.000Z', images: images.length },
            { version: 'd'.repeat(64), at: '2026-03-02T10:00:03.000Z', images: images.length },
          ],
        }
      },
      async images(_name, { cursor, limit, label, split }) {
        dataset()
        const rows = images
          .map((image, index) => ({
            digest: image.digest,
            width: 96,
            height: 96,
            sizeBytes: image.bytes.length,
            format: 'png',
            source: `line-${index}.png`,
            split: index % 5 === 0 ? ('test' as const) : ('train' as const),
            label: index % 2 ? image.class : null,
            origin: index % 2 ? ('human' as const) : null,
            humanSeen: index % 2 === 1,
            excluded: null,
          }))
          .sort((a, b) => (a.digest < b.digest ? -1 : 1))
          .filter((row) => (!label || row.label === label) && (!split || row.split === split))
          .filter((row) => !cursor || row.digest > cursor)
        const page = rows.slice(0, limit)
        return { images: page, next: rows.length > limit ? page.at(-1)!.digest : null }
      },
      async bytes(_name, digest) {
        const image = byDigest.get(digest)
        if (!image) throw new PlatformError('OBJECT_NOT_FOUND', `no image ${digest}`)
        return image.bytes
      },
    },
    catalog: datasetCatalogOf(store, keepCatalogs(store)),
    sessions: {
      async list() {
        return empty ? [] : [SESSION_RECORD]
      },
      async record(id) {
        if (empty || id !== SESSION) throw new PlatformError('SESSION_NOT_FOUND', `no session "${id}"`)
        return SESSION_RECORD
      },
      async connect(id) {
        if (id !== SESSION) throw new PlatformError('SESSION_NOT_FOUND', `no session "${id}"`)
        return session
      },
      async export(_id, { format }) {
        return { contentType: 'text/csv', fileName: `session.${format}`, text: () => Readable.from(['digest,label\n']) }
      },
      async comments() {
        return session.comments
      },
      async comment(_id, comment, by) {
        const stored = { ...comment, by, at: '2026-03-02T10:00:00.000Z' }
        session.comments.push(stored)
        return stored
      },
      async instructions() {
        return session.instructions
      },
      async instruct(_id, instructions, by) {
        session.instructions = { ...instructions, by, at: '2026-03-02T10:00:00.000Z' }
        return session.instructions
      },
    },
    models: {
      async list() {
        return [...models.values()].map((model) => ({
          name: model.name,
          versions: model.versions.length,
          latest: model.versions[0]!.version,
          champion: model.aliases.find(({ alias }) => alias === 'champion')?.version ?? null,
          accuracy: model.versions[0]!.accuracy,
        }))
      },
      async show(name) {
        const model = models.get(name)
        if (!model) throw new PlatformError('MODEL_NOT_FOUND', `no model "${name}"; see gyre model list`)
        return model
      },
      async setAlias(name, alias, version) {
        const model = await this.show(name)
        models.set(name, { ...model, aliases: [...model.aliases.filter((a) => a.alias !== alias), { alias, version }] })
      },
    },
    endpoints: {
      async list() {
        return empty ? [] : [ENDPOINT]
      },
      async show(name) {
        if (empty || name !== MODEL.name) throw new PlatformError('ENDPOINT_NOT_FOUND', `there is no endpoint ${name}`)
        return ENDPOINT
      },
      async moveTraffic(name, to) {
        moves.push(to)
        return this.show(name)
      },
      async rollOut(name, wish) {
        return { name, ...wish }
      },
      async predict() {
        return [
          { class: 'scratch', score: 0.93 },
          { class: 'crack', score: 0.05 },
        ]
      },
    },
    batches: {
      async list() {
        return batchViews
      },
      async show(id) {
        const view = batchViews.find((batch) => batch.id === id)
        if (!view) throw new PlatformError('BATCH_NOT_FOUND', `no batch task "${id}"; see gyre batch list`)
        return view
      },
      drop: (id) => openDrop(drops, id),
      async keepBundle(bundle) {
        return { sha256: sha256Hex(bundle), sizeBytes: bundle.length }
      },
      async results(_id, format) {
        const rows = [{ path: 'one.png', image: 'e'.repeat(64), class: 'scratch', score: 0.93 }]
        if (format === 'results.json') return Buffer.from(JSON.stringify(rows))
        return Buffer.from(
          format === 'results.csv' ? 'path,class,score\none.png,scratch,0.93\n' : '<!doctype html><p>gallery',
        )
      },
    },
    async blob(digest) {
      if (digest !== 'c'.repeat(64)) throw new PlatformError('OBJECT_NOT_FOUND', `no blob ${digest}`)
      return Buffer.from('<!doctype html><script>alert(1)</script><h1>Report</h1>')
    },
    thumbnail: (image, size) => sharp(image).resize(size, size, { fit: 'inside' }).webp().toBuffer(),
  }
}
