import { listModels, modelAliases, modelVersions, setAlias, type ModelRecord } from '#core/registry'
import type { ObjectStore } from '#core/storage'
import type { ModelPort } from '../ports.ts'

export function modelsOf(store: ObjectStore): ModelPort {
  return {
    async list() {
      const models = await listModels(store)
      return Promise.all(
        models.map(async ({ name, versions, aliases }) => {
          const [newest] = await modelVersions(store, name)
          return {
            name,
            versions,
            latest: versions,
            champion: aliases['champion'] ?? null,
            accuracy: newest?.report.accuracy ?? null,
          }
        }),
      )
    },
    async show(name) {
      const versions = await modelVersions(store, name)
      const aliases = await modelAliases(store, name)
      return {
        name,
        versions: versions.map(toVersion),
        aliases: Object.entries(aliases).map(([alias, version]) => ({ alias, version })),
      }
    },
    setAlias: (name, alias, version, by) => setAlias(store, name, alias, version, by),
  }
}

function toVersion({ version, digest, model, report, lineage, registeredAt }: ModelRecord) {
  return {
    version,
    digest,
    trainer: model.trainer,
    classes: model.classes,
    accuracy: report.accuracy,
    interval: report.interval,
    report: report.html.sha256,
    run: lineage.run,
    dataset: lineage.dataset,
    registeredAt,
  }
}
