/** `gyre endpoint list|predict`. */
import { PlatformError } from '#core/errors'
import { predict as predictFiles } from '#core/serving'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack, type StackUse } from '../stack-access.ts'
import { table } from '../table.ts'
import { percent } from '../words.ts'

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
  }[]
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const endpoints = await withStack(invocation, ({ api }) => api.get<Endpoint[]>('/api/endpoints'))
  invocation.answer(endpoints, () =>
    table(
      ['endpoint', 'revision', 'model', 'ready', 'traffic', 'state'],
      endpoints.flatMap(({ name, revisions }) =>
        revisions.map(({ revision, model, ready, wanted, percent: share, trouble }) => [
          name,
          `r${revision}`,
          `${model.name} v${model.version}`,
          `${ready} of ${wanted}`,
          `${share} %`,
          trouble ?? (ready >= wanted ? 'ready' : 'starting'),
        ]),
      ),
      'No endpoints yet.\n\n  ./gyre demo',
    ),
  )
}

/** Sends image files to a live endpoint. */
export async function predict(name: string, files: readonly string[], options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const predictions = await withStack(invocation, async (use) =>
    predictFiles(await addressOf(name, use), name, files, use.signal),
  )
  invocation.answer(predictions, () =>
    table(
      ['file', 'class', 'score'],
      predictions.map(({ file, class: className, score }) => [file, className, percent(score)]),
      'No files.',
    ),
  )
}

/** Where a cluster serves it, that is the address of its gateway; where nobody knows the endpoint, the gateway says so. */
async function addressOf(name: string, { info, api }: StackUse): Promise<string> {
  if (info.gatewayUrl !== null) return info.gatewayUrl
  const endpoint = (await api.get<Endpoint[]>('/api/endpoints')).find((candidate) => candidate.name === name)
  if (endpoint?.url) return endpoint.url
  throw new PlatformError('ENDPOINT_NOT_FOUND', `there is no endpoint ${name}; list them with \`gyre endpoint list\``, {
    name,
  })
}
