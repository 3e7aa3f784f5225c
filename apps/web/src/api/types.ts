/** What the HTTP API answers, as `/api/openapi.json` describes it. */
export type { Forecast, NodeForecast } from '../../../../core/runs/types.ts'
export type { RunReport, RunStatus, RunSummary, StepReport, StepStatus } from '../../../../core/runs/types.ts'
export type { StepOrigin } from '../../../../core/runs/types.ts'
export type { LogLine, LogPage } from '../../../../core/runs/step-log.ts'
export type { Pair, RunComparison, RunHead, StepComparison } from '../../../../core/runs/compare.ts'
export type {
  AnnotatorStats,
  Disagreement,
  Reasons,
  Screen,
  SessionState,
  Vote,
} from '../../../../core/labelling/types.ts'
import type { RunStatus } from '../../../../core/runs/types.ts'
import type { Answer as StoredAnswer, SessionState } from '../../../../core/labelling/types.ts'

export type Permission = 'view' | 'annotate' | 'run' | 'code' | 'publish' | 'administer'
export type Role = 'owner' | 'engineer' | 'annotator' | 'operator' | 'viewer'

export interface Me {
  readonly name: string
  readonly role: Role
  readonly permissions: readonly Permission[]
}

export interface Person {
  readonly name: string
  readonly role: Role
}

export interface Health {
  readonly version: string
  readonly temporalUi: string | null
}

export interface DatasetSummary {
  readonly name: string
  readonly version: string
  readonly images: number
  readonly labelled: number
  readonly classes: number
}

export interface DatasetDetail {
  readonly name: string
  readonly version: string
  readonly images: number
  readonly labelled: number
  readonly humanSeen: number
  readonly excluded: number
  readonly splits: { readonly train: number; readonly test: number }
  readonly classes: readonly { readonly class: string; readonly images: number; readonly humanSeen: number }[]
  /** Newest first. */
  readonly history: readonly { readonly version: string; readonly at: string | null; readonly images: number | null }[]
}

export interface ImageRow {
  readonly digest: string
  readonly width: number
  readonly height: number
  readonly sizeBytes: number
  readonly format: string
  readonly source: string
  readonly split: 'train' | 'test'
  readonly label: string | null
  readonly origin: 'human' | 'inferred' | 'predicted' | 'imported' | null
  readonly humanSeen: boolean
  readonly excluded: string | null
}

export interface ImagePage {
  readonly images: readonly ImageRow[]
  readonly next: string | null
}

export interface Session {
  readonly id: string
  readonly run: string | null
  readonly dataset: string
  readonly version: string
  readonly classes: readonly string[]
  readonly annotator: 'web' | 'simulated'
  readonly task: 'single' | 'multi' | 'ordinal'
  /** People who judge each image. */
  readonly overlap: number
  readonly targetAccuracy: number
  readonly openedAt: string | null
  readonly state: SessionState
}

/** What a person says of a screen; who and when, the server adds. */
export type Answer = Omit<StoredAnswer, 'annotator' | 'at'>

/** What the classes of a session mean: words in Markdown, and example images by class. */
export interface Instructions {
  readonly text: string
  readonly examples: Readonly<Record<string, readonly string[]>>
  readonly by: string | null
  readonly at: string | null
}

export interface Comment {
  readonly at: string
  readonly by: string
  readonly text: string
  readonly screen: string | null
  readonly image: string | null
}

/** What a person set for themselves, the same in every browser. */
export interface Settings {
  readonly keys: Readonly<Record<string, string>>
  readonly classKeys: Readonly<Record<string, string>>
}

export interface ModelSummary {
  readonly name: string
  readonly versions: number
  readonly latest: number
  readonly champion: number | null
  readonly accuracy: number | null
}

export interface ModelVersion {
  readonly version: number
  readonly digest: string
  readonly trainer: string | null
  readonly classes: readonly string[]
  readonly accuracy: number | null
  readonly interval: readonly [number, number] | null
  readonly report: string | null
  readonly run: string | null
  readonly dataset: { readonly name: string; readonly version: string } | null
  readonly registeredAt: string | null
}

export interface ModelDetail {
  readonly name: string
  /** Newest first. */
  readonly versions: readonly ModelVersion[]
  readonly aliases: readonly { readonly alias: string; readonly version: number }[]
}

export interface EndpointView {
  readonly name: string
  readonly url: string | null
  readonly revisions: readonly {
    readonly revision: number
    readonly model: { readonly name: string; readonly version: number }
    readonly wanted: number
    readonly ready: number
    readonly percent: number
    readonly trouble: string | null
    /** What a replica waits for before it can start. */
    readonly waiting: string | null
  }[]
}

export interface RunLineage {
  readonly by: string
  readonly cause: { readonly kind: string; readonly text: string; readonly trigger: string } | null
  readonly basedOn: { readonly kind: string; readonly run: string; readonly forced: readonly string[] } | null
  readonly derived: readonly { readonly id: string; readonly kind: string }[]
}

/** The beginning of a blob. */
export interface Peek {
  readonly type: string
  readonly sizeBytes: number
  readonly text: string | null
  readonly isWhole: boolean
}

/** Something that waits for people. */
export interface WaitingApproval {
  readonly run: string
  readonly node: string
  readonly pipeline: string
  readonly question: string
  readonly subject: unknown
  readonly approvals: number
  readonly asked: readonly string[]
  readonly escalated: boolean
  readonly answers: readonly { readonly by: string; readonly at: string; readonly why: string }[]
  /** JSON schema of what an approval must say. */
  readonly form: Readonly<Record<string, unknown>> | null
  readonly deadlineAt: string | null
  readonly onDeadline: 'fail' | 'approve' | 'refuse'
  readonly mayAnswer: boolean
}

export interface Prediction {
  readonly class: string
  readonly score: number
}

export interface BatchView {
  readonly id: string
  readonly model: string
  readonly source: string
  readonly status: RunStatus
  readonly startedAt: string
  readonly endedAt: string | null
  readonly images: number | null
  readonly done: number
  readonly failed: readonly { readonly path: string; readonly reason: string }[]
  readonly reason: string | null
  readonly ready: boolean
}

export interface BatchRow {
  readonly path: string
  readonly class: string | null
  readonly score: number | null
}
