/** `gyre endpoint list|predict`. */
import { predict as predictFiles } from '#core/serving'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
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
  const predictions = await withStack(invocation, ({ info, signal }) =>
    predictFiles(info.gatewayUrl, name, files, signal),
  )
  invocation.answer(predictions, () =>
    table(
      ['file', 'class', 'score'],
      predictions.map(({ file, class: className, score }) => [file, className, percent(score)]),
      'No files.',
    ),
  )
}
