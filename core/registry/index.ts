/** The model registry: immutable numbered versions with lineage, and aliases that move and keep their history. */

export { readAlias, setAlias } from './aliases.ts'
export { listModels, modelAliases, modelVersions, resolveModel, type ModelSummary } from './query.ts'
export { modelDescription, type ModelDescription, type ModelRecord } from './record.ts'
export { registerModel } from './register.ts'
export { verifyModel } from './verify.ts'
export { numberModel, readVersion } from './versions.ts'
