/** `gyre endpoint …`: what serves, what it answers, and which revision gets which requests. */
import { createInterface } from 'node:readline/promises'
import { PlatformError } from '#core/errors'
import { predict as predictFiles } from '#core/serving'
import { bundleAlgorithm } from '../algorithm-file.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, tellRun } from '../runs.ts'
import { withStack, type StackUse } from '../stack-access.ts'
import { table } from '../table.ts'
import { moment, percent } from '../words.ts'

interface Endpoint {
  readonly name: string
  readonly url: string | null
  readonly revisions: readonly {
    readonly revision: number
    readonly model: { readonly name: string; readonly version: number }
    readonly wanted: number
    readonly ready: number
    readonly percent: number
    readonly trouble: string | null
    readonly waiting: string | null
  }[]
}

interface EndpointDetail extends Endpoint {
  readonly history: readonly {
    readonly at: string
    readonly by: string
    readonly shares: Readonly<Record<string, number>>
  }[]
}

const HISTORY_SHOWN = 5

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const endpoints = await withStack(invocation, ({ api }) => api.get<Endpoint[]>('/api/endpoints'))
  invocation.answer(endpoints, () =>
    table(
      ['endpoint', ...REVISION_COLUMNS],
      endpoints.flatMap((endpoint) => revisionRows(endpoint).map((row) => [endpoint.name, ...row])),
      'No endpoints yet.\n\n  ./gyre demo',
    ),
  )
}

export async function show(name: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const endpoint = await withStack(invocation, ({ api }) => api.get<EndpointDetail>(at(name)))
  invocation.answer(endpoint, () => detailText(endpoint))
}

/** Sends image files to a live endpoint. */
export async function predict(name: string, files: readonly string[], options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const predictions = await withStack(invocation, async (use) => {
    const { url, token } = await gatewayOf(name, use)
    return predictFiles(url, name, files, { signal: use.signal, token })
  })
  invocation.answer(predictions, () =>
    table(
      ['file', 'class', 'score'],
      predictions.map(({ file, class: className, score }) => [file, className, percent(score)]),
      'No files.',
    ),
  )
}

interface RollOutOptions extends CommonOptions {
  readonly replicas?: number
  readonly canary?: number
}

/** A registered model becomes the endpoint's next revision. */
export async function rollout(name: string, model: string, options: RollOutOptions): Promise<void> {
  await startRevision(name, { model }, options)
}

/** An algorithm file becomes the next revision of the endpoint of its name, over the model that it names. */
export async function deploy(
  file: string,
  options: RollOutOptions & { readonly param: readonly string[] },
): Promise<void> {
  const { definition, algorithm } = await bundleAlgorithm(file, options.param)
  await startRevision(definition.name, { model: definition.model, algorithm }, options)
}

async function startRevision(name: string, what: object, { replicas, canary, ...options }: RollOutOptions) {
  const body = { ...what, ...(replicas && { replicas }), ...(canary && { canaryPercent: canary }) }
  await carryRun(options, (use) => use.api.post(`${at(name)}/revisions`, body))
}

/** Moves the shares, as `r3=10,r2=90`. */
export async function traffic(name: string, shares: string, options: CommonOptions): Promise<void> {
  const body = { shares: parseShares(shares) }
  await move(options, ({ api }) => api.put<EndpointDetail>(`${at(name)}/traffic`, body))
}

export async function promote(name: string, options: CommonOptions): Promise<void> {
  await move(options, ({ api }) => api.post<EndpointDetail>(`${at(name)}/promote`))
}

export async function back(name: string, options: CommonOptions): Promise<void> {
  await move(options, ({ api }) => api.post<EndpointDetail>(`${at(name)}/back`))
}

async function move(options: CommonOptions, ask: (use: StackUse) => Promise<EndpointDetail>): Promise<void> {
  const invocation = new Invocation(options)
  const endpoint = await withStack(invocation, ask)
  invocation.answer(endpoint, () => detailText(endpoint))
}

export async function remove(name: string, options: CommonOptions & { readonly yes?: boolean }): Promise<void> {
  if (!options.yes) await confirm(name)
  await carryRun(options, (use) => use.api.delete<{ id: string }>(at(name)))
}

async function carryRun(options: CommonOptions, start: (use: StackUse) => Promise<{ id: string }>): Promise<void> {
  const invocation = new Invocation(options)
  const report = await withStack(invocation, async (use) => carryThrough(use, invocation, (await start(use)).id))
  tellRun(invocation, report)
}

/** @throws {PlatformError} `INVALID_INPUT` when nobody is there to answer, or the answer is another name. */
async function confirm(name: string): Promise<void> {
  const refuse = (why: string) => new PlatformError('INVALID_INPUT', `${why}; nothing was deleted`)
  if (!process.stdin.isTTY) throw refuse(`say --yes to delete endpoint ${name} without being asked`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`Deleting ${name} ends all that it serves. Type its name to go on: `)
    if (answer.trim() !== name) throw refuse(`"${answer.trim()}" is not ${name}`)
  } finally {
    prompt.close()
  }
}

/**
 * @returns percents by revision.
 * @throws {PlatformError} `INVALID_INPUT` for anything but `r3=10,r2=90`.
 */
export function parseShares(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map((part) => {
      const [, revision, share] = /^\s*r?([1-9]\d{0,8})=(\d{1,3})%?\s*$/.exec(part) ?? []
      if (revision === undefined)
        throw new PlatformError('INVALID_INPUT', `"${part}" is no share; write for example r3=10,r2=90`)
      return [revision, Number(share)]
    }),
  )
}

const REVISION_COLUMNS = ['revision', 'model', 'ready', 'traffic', 'state']

function revisionRows({ revisions }: Endpoint): (string | number)[][] {
  return revisions.map(({ revision, model, ready, wanted, percent: share, trouble, waiting }) => [
    `r${revision}`,
    `${model.name} v${model.version}`,
    `${ready} of ${wanted}`,
    `${share} %`,
    trouble ?? waiting ?? (ready >= wanted ? 'ready' : 'starting'),
  ])
}

function detailText(endpoint: EndpointDetail): string {
  const moves = endpoint.history.slice(0, HISTORY_SHOWN).map(({ at, by, shares }) => {
    const parts = Object.entries(shares).map(([revision, share]) => `r${revision} ${share} %`)
    return [moment(at), parts.join(', ') || 'none', by]
  })
  return [
    `${endpoint.name}   ${endpoint.url === null ? '' : `${endpoint.url}/v2/models/${endpoint.name}/infer`}`,
    '',
    table(REVISION_COLUMNS, revisionRows(endpoint), 'No revision runs.'),
    table(['since', 'traffic', 'by'], moves, 'No traffic yet.'),
  ].join('\n')
}

function at(name: string): string {
  return `/api/endpoints/${encodeURIComponent(name)}`
}

/** Where a cluster serves it, that is the address of its gateway; where nobody knows the endpoint, the gateway says so. */
async function gatewayOf(
  name: string,
  { info, api, endpointToken }: StackUse,
): Promise<{ url: string; token: string | null }> {
  if (info.gatewayUrl !== null) return { url: info.gatewayUrl, token: endpointToken }
  const endpoint = (await api.get<Endpoint[]>('/api/endpoints')).find((candidate) => candidate.name === name)
  // A token is for the server that it was made for alone.
  if (endpoint?.url) return { url: endpoint.url, token: null }
  throw new PlatformError('ENDPOINT_NOT_FOUND', `there is no endpoint ${name}; list them with \`gyre endpoint list\``, {
    name,
  })
}
