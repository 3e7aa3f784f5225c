/** `gyre model list|alias`. */
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { moment, percent, shortDigest } from '../words.ts'

interface ModelSummary {
  readonly name: string
  readonly versions: number
  readonly latest: number
  readonly champion: number | null
  readonly accuracy: number | null
}

interface ModelDetail {
  readonly name: string
  readonly versions: readonly {
    readonly version: number
    readonly digest: string
    readonly trainer: string | null
    readonly accuracy: number | null
    readonly registeredAt: string | null
  }[]
  readonly aliases: readonly { readonly alias: string; readonly version: number }[]
}

/** All models, or the versions of one. */
export async function list(name: string | undefined, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  if (name) {
    const model = await withStack(invocation, ({ api }) =>
      api.get<ModelDetail>(`/api/models/${encodeURIComponent(name)}`),
    )
    return invocation.answer(model, () => modelText(model))
  }
  const models = await withStack(invocation, ({ api }) => api.get<ModelSummary[]>('/api/models'))
  invocation.answer(models, () =>
    table(
      ['name', 'versions', 'latest', 'champion', 'accuracy'],
      models.map((model) => [
        model.name,
        model.versions,
        `v${model.latest}`,
        model.champion === null ? '–' : `v${model.champion}`,
        model.accuracy === null ? '–' : percent(model.accuracy),
      ]),
      'No models yet.\n\n  ./gyre demo',
    ),
  )
}

function modelText({ name, versions, aliases }: ModelDetail): string {
  const namesOf = (version: number) =>
    aliases.flatMap((entry) => (entry.version === version ? [entry.alias] : [])).join(', ') || '–'
  const rows = versions.map(({ version, digest, trainer, accuracy, registeredAt }) => [
    `v${version}`,
    namesOf(version),
    trainer ?? '–',
    accuracy === null ? '–' : percent(accuracy),
    shortDigest(digest),
    moment(registeredAt),
  ])
  return `${name}\n\n${table(['version', 'alias', 'trainer', 'accuracy', 'digest', 'registered'], rows, 'No versions.')}`
}

export async function alias(name: string, version: number, aliasName: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const model = await withStack(invocation, ({ api }) =>
    api.post<ModelDetail>(`/api/models/${encodeURIComponent(name)}/aliases`, { alias: aliasName, version }),
  )
  invocation.answer(model, () => `${name}@${aliasName} is v${version} now.`)
}
