/** The health of datasets: findings and what to do about them, drift, and what labels may say and how that changes. */

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
