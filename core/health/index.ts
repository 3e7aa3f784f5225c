/** The health of datasets: findings and what to do about them, drift, and what labels may say and how that changes. */

export { checkDrift } from './endpoint-drift.ts'
export { checkHealth } from './check-health.ts'
export { latestReport, readReport, type KeptReport } from './records.ts'
export {
  findingKinds,
  healthReport,
  type Details,
  type Finding,
  type FindingKind,
  type HealthReport,
} from './report.ts'
export { actOnFinding, type FindingAction } from './act.ts'
export {
  migrateSchema,
  previewMigration,
  schemaOf,
  setSchema,
  type MigrationPlan,
  type MigrationRequest,
  type ShownSchema,
} from './label-schema.ts'
export { operation, planMigration, type Operation } from './migration.ts'
