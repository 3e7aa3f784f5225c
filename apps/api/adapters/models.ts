import { certificatesOf } from '#core/labelling'
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
        versions: await Promise.all(
          versions.map(async (record) => ({ ...toVersion(record), certificate: await certificateOf(store, record) })),
        ),
        aliases: Object.entries(aliases).map(([alias, version]) => ({ alias, version })),
      }
    },
    setAlias: (name, alias, version, by) => setAlias(store, name, alias, version, by),
  }
}

/** Of the version that it learnt from. */
async function certificateOf(store: ObjectStore, { lineage: { dataset, inputs } }: ModelRecord) {
  if (!dataset) return null
  const learntFrom = inputs['version'] ?? dataset.version
  const [note] = await certificatesOf(store, dataset.name, new Set([learntFrom]))
  return note ? { id: note.id, atLeast: note.atLeast, state: note.state } : null
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
