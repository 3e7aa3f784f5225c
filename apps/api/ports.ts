/**
 * What the HTTP server asks of the rest of Gyre, as small as it can be. `compose.ts` fills it from the core modules;
 * tests fill it with fakes. Methods that look something up throw the `…_NOT_FOUND` error of their thing.
 */

import type { Payload } from '@temporalio/common'
import type { ImageDrop } from '#core/batch'
import type { Traffic } from '#core/compute'
import type { Action, Door, Settings, TokenFacts } from '#core/identity'
import type { Split } from '#core/datasets'
import type { Codes } from '#core/catalog'
import type { LabelExport, LabelFormat } from '#core/interop'
import type { SimilarImage } from '#core/neighbours'
import type { StreamDescription } from '#core/streaming'
import type { Engine, LogPage, RunBase, RunCause, RunComparison } from '#core/runs'
import type { Logger } from '#core/log'
import type { Audit } from './audit.ts'
import type { CertificatePort } from './routes/certificates.ts'
import type { RetentionPort } from './routes/retention.ts'
import type { Comment, Instructions, SessionHost } from '#core/labelling'
import type { BlobRef } from '#core/steps'
import type { Fire } from '#core/triggers'
import type { z } from 'zod'
import type { DatasetVersion } from '#core/steps'
import type { DifferenceKind, DiffRow, HistoryEntry, Ref, VersionDiff } from '#core/datasets'
import type { versionMerge, versionRestore, versionTag } from './routes/dataset-versions.ts'
import type {
  BatchView,
  CatalogPage,
  DatasetDetail,
  DatasetSummary,
  EndpointDetail,
  EndpointView,
  FacetPage,
  FindingAction,
  HealthCheck,
  HealthView,
  ImageChange,
  ImagePage,
  MigratedView,
  ModelDetail,
  ModelSummary,
  NewSchema,
  Principal,
  Role,
  SavedView,
  SchemaMigration,
  SchemaView,
  SessionRecord,
  TriggerView,
  WaitingApproval,
} from './schemas.ts'

/** The pipeline behind self-service tasks. */
export const BATCH_PIPELINE = 'batch-task'
/** The pipelines behind roll-outs and the end of endpoints. */
export const ROLL_OUT_PIPELINE = 'roll-out'
export const REMOVE_PIPELINE = 'remove-endpoint'

/** The pipeline behind checks of the health of a dataset. */
export const HEALTH_PIPELINE = 'dataset-health'

export interface IdentityPort {
  /** The person behind a token, or null when it is unknown, expired or withdrawn. */
  authenticate(token: string): Promise<Principal | null>
  /** Spends a one-time code; null when it is unknown, spent or expired. */
  redeem(code: string): Promise<{ token: string; principal: Principal } | null>
  /** Ends one login. */
  revoke(token: string): Promise<void>
  allows(principal: Principal, permission: Action): boolean
}

/** What people set for themselves. */
export interface SettingsPort {
  read(name: string): Promise<Settings>
  save(name: string, settings: Settings): Promise<void>
}

/** Throws `USER_NOT_FOUND` for people who may not log in, `TOKEN_NOT_FOUND` for tokens that are over. */
export interface PeoplePort {
  list(): Promise<readonly Principal[]>
  /** Adds the person where new, and gives a fresh one-time code. */
  invite(name: string, role: Role, by: string): Promise<{ code: string }>
  /** A fresh one-time code for a known person. */
  link(name: string): Promise<{ code: string }>
  setRole(name: string, role: Role, by: string): Promise<Principal>
  /** Ends all that the person was given. */
  remove(name: string, by: string): Promise<void>
  tokens(name: string): Promise<readonly TokenFacts[]>
  createToken(
    name: string,
    options: { use: Door; label: string; lifetimeMs: number },
  ): Promise<TokenFacts & { token: string }>
  endToken(name: string, id: string): Promise<void>
}

export interface ImageQuery {
  readonly cursor?: string | undefined
  readonly limit: number
  readonly label?: string | undefined
  readonly split?: 'train' | 'test' | undefined
  readonly ref?: string | undefined
}

export interface DatasetPort {
  list(): Promise<readonly DatasetSummary[]>
  show(name: string, ref: string): Promise<DatasetDetail>
  images(name: string, query: ImageQuery): Promise<ImagePage>
  /** The stored bytes of one image of the dataset, whatever version holds it. */
  bytes(name: string, digest: string): Promise<Uint8Array>
}

/** Conditions throw `INVALID_INPUT`; views throw `VIEW_NOT_FOUND`. */
export interface CatalogPort {
  rows(
    name: string,
    query: {
      readonly ref: string
      readonly where?: string | undefined
      readonly order?: string | undefined
      readonly from: number
      readonly count: number
    },
  ): Promise<CatalogPage>
  facets(name: string, query: { readonly ref: string; readonly where?: string | undefined }): Promise<FacetPage>
  /** A column of few values, a byte an image in the order of digests. */
  codes(name: string, query: { readonly ref: string; readonly column: string }): Promise<Codes>
  /** Of these places in the order of digests, those that there are, ascending. */
  digests(
    name: string,
    query: { readonly version: string; readonly rows: readonly number[] },
  ): Promise<readonly string[]>
  views(name: string): Promise<readonly SavedView[]>
  view(name: string, view: string): Promise<SavedView>
  saveView(name: string, view: Pick<SavedView, 'name' | 'where' | 'note'>, by: string): Promise<void>
  removeView(name: string, view: string, by: string): Promise<void>
  /** Makes a version of the one that was looked at; `images` counts what it changed. */
  change(name: string, change: ImageChange, by: string): Promise<{ version: string; images: number }>
}

/** Throws `DATASET_NOT_MAPPED` where nobody has indexed the version's similar images. */
export interface NeighbourPort {
  /** Those most like one of the version, without itself, best first. */
  toImage(
    name: string,
    query: { readonly ref: string; readonly digest: string; readonly count: number },
  ): Promise<readonly SimilarImage[]>
  /** Those most like an image file. */
  toBytes(
    name: string,
    query: { readonly ref: string; readonly count: number },
    image: Uint8Array,
  ): Promise<readonly SimilarImage[]>
  /** float32 [images, 2] in ascending order of digest. */
  map(name: string, ref: string): Promise<Float32Array>
}

export interface StreamPort {
  describe(
    name: string,
    query: { readonly ref: string; readonly split: Split | 'all'; readonly unlabelled: boolean },
  ): Promise<StreamDescription>
}

export interface DiffPage {
  readonly rows: readonly DiffRow[]
}

/** Throws `DATASET_NOT_FOUND` for refs and versions that are not there. */
export interface VersionPort {
  /** Newest first. */
  log(name: string, query: { readonly ref: string; readonly limit: number }): Promise<readonly HistoryEntry[]>
  refs(name: string): Promise<readonly Ref[]>
  diff(name: string, sides: { readonly from: string; readonly to: string }): Promise<VersionDiff>
  diffRows(name: string, query: DiffQuery): Promise<DiffPage>
  /** @throws {PlatformError} `DATASET_TAG_TAKEN`, `INVALID_NAME`. */
  tag(name: string, tag: z.output<typeof versionTag>, by: string): Promise<DatasetVersion>
  /** @throws {PlatformError} `POINTER_MOVED`. */
  restore(name: string, restore: z.output<typeof versionRestore>, by: string): Promise<DatasetVersion>
  /** @throws {PlatformError} `DATASET_MERGE_CONFLICTS`, with the conflicts in its details. */
  merge(name: string, merge: z.output<typeof versionMerge>, by: string): Promise<DatasetVersion>
}

export interface DiffQuery {
  readonly from: string
  readonly to: string
  readonly kind?: DifferenceKind | undefined
  readonly label?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
}

/** Reports throw `HEALTH_NOT_CHECKED`; schemas and migrations that do not fit throw `INVALID_INPUT`. */
export interface HealthPort {
  report(name: string, query: { readonly ref: string; readonly against?: string | undefined }): Promise<HealthView>
  /** Starts a check. */
  check(name: string, params: HealthCheck, by: string): Promise<{ run: string }>
  /** Makes a version in which something was done about the images of a finding. */
  act(name: string, action: FindingAction, by: string): Promise<{ version: string; images: number }>
  schema(name: string, ref: string): Promise<SchemaView>
  setSchema(name: string, schema: NewSchema, by: string): Promise<{ version: string }>
  migrate(name: string, migration: SchemaMigration, by: string): Promise<MigratedView>
}

export interface SessionPort {
  list(): Promise<readonly SessionRecord[]>
  record(id: string): Promise<SessionRecord>
  connect(id: string): Promise<SessionHost>
  comments(id: string): Promise<readonly Comment[]>
  comment(id: string, comment: Pick<Comment, 'text' | 'screen' | 'image'>, by: string): Promise<Comment>
  instructions(id: string): Promise<Instructions>
  instruct(id: string, instructions: Pick<Instructions, 'text' | 'examples'>, by: string): Promise<Instructions>
  /** The labels as they are now, for another tool. */
  export(
    id: string,
    options: { readonly format: LabelFormat; readonly imageBase?: string | undefined },
  ): Promise<LabelExport>
}

export interface ModelPort {
  list(): Promise<readonly ModelSummary[]>
  show(name: string): Promise<ModelDetail>
  setAlias(name: string, alias: string, version: number, by: string): Promise<void>
}

/** What a roll-out leaves open, stays as it is. */
export interface RollOutWish {
  /** `name`, `name@3`, `name@champion`. */
  readonly model: string
  readonly algorithm?: { readonly bundle: BlobRef; readonly params: Readonly<Record<string, unknown>> } | undefined
  readonly replicas?: number | undefined
  readonly queueLimit?: number | undefined
  readonly canaryPercent?: number | undefined
}

export interface EndpointPort {
  list(): Promise<readonly EndpointView[]>
  show(name: string): Promise<EndpointDetail>
  /** Whole percents by revision; `promote`: all to the canary, `back`: all to the revision that had them before. */
  moveTraffic(name: string, to: Traffic | 'promote' | 'back', by: string): Promise<EndpointDetail>
  /** Parameters of the pipeline that rolls it out. */
  rollOut(name: string, wish: RollOutWish): Promise<Readonly<Record<string, unknown>>>
  /** Sends one encoded image to the live endpoint. @returns its classes, likeliest first. */
  predict(name: string, image: Uint8Array): Promise<readonly { class: string; score: number }[]>
}

export type BatchFormat = 'results.csv' | 'results.json' | 'gallery.html'

export interface BatchPort {
  list(): Promise<readonly BatchView[]>
  show(id: string): Promise<BatchView>
  results(id: string, format: BatchFormat): Promise<Uint8Array>
  /** Where dropped images go until their task has read them. */
  drop(id: string): Promise<ImageDrop>
  /** Stores the bundle of an algorithm. */
  keepBundle(bundle: Uint8Array): Promise<BlobRef>
}

export interface RunOrigin {
  readonly by: string
  readonly cause: RunCause | null
  readonly basedOn: RunBase | null
  /** Runs that are based on this one. */
  readonly derived: readonly { readonly id: string; readonly kind: RunBase['kind'] }[]
}

/** What the store knows of runs beside how they stand. */
export interface RunDetailsPort {
  lineage(run: string): Promise<RunOrigin>
  /** Lines of one step after a place in its log. */
  log(run: string, step: string, after: number): Promise<LogPage>
  compare(a: string, b: string): Promise<RunComparison>
}

/** Immutable blobs, read in parts. Throws `OBJECT_NOT_FOUND`. */
export interface BlobPort {
  sizeBytes(sha256: string): Promise<number>
  /** Bytes [offset, offset + length), fewer at the end. */
  range(sha256: string, offset: number, length: number): Promise<Uint8Array>
}

/** What a person says to an open question. */
export interface GivenApproval {
  readonly approved: boolean
  readonly why: string
  readonly form?: Readonly<Record<string, unknown>> | undefined
}

/** Throws `FORBIDDEN` for people who are not asked, `INVALID_INPUT` for answers that do not fit. */
export interface ApprovalPort {
  /** What waits for people, longest waiting first, as one of them sees it. */
  list(reader: Principal): Promise<readonly WaitingApproval[]>
  answer(run: string, node: string, person: Principal, given: GivenApproval): Promise<void>
  /** A one-time token that answers one question in the name of a person. */
  createLink(run: string, node: string, person: string, by: string): Promise<{ token: string; expiresAt: string }>
  /** What a token asks of whom; null where it is good for nothing any more. */
  open(token: string): Promise<{ person: Principal; question: WaitingApproval } | null>
  /** Answers and spends the token; one whose answer does not fit stays good. @throws `APPROVAL_LINK_INVALID`. */
  answerByLink(token: string, given: GivenApproval): Promise<{ run: string; node: string; principal: Principal }>
}

/** What a webhook brought. */
export interface HookDelivery {
  /** Equal for a delivery that is sent again. */
  readonly id: string
  readonly signature: string | undefined
  readonly body: Uint8Array
  readonly params: Readonly<Record<string, unknown>>
}

/** Throws `TRIGGER_NOT_FOUND` for names that no definition has. */
export interface TriggerPort {
  list(): Promise<readonly TriggerView[]>
  /** What it started, newest first. */
  fires(pipeline: string, name: string): Promise<readonly Fire[]>
  pause(pipeline: string, name: string, by: string): Promise<void>
  resume(pipeline: string, name: string, by: string): Promise<void>
  /** Starts a run now, or lets it look now, by its own overlap policy. */
  fire(pipeline: string, name: string): Promise<void>
  /** Makes up for past times. */
  backfill(pipeline: string, name: string, span: { from: Date; to: Date; by: string }): Promise<void>
  /** A new secret, to be shown once; the one before is good no more. */
  newSecret(pipeline: string, name: string, by: string): Promise<string>
  /** @throws {PlatformError} `WEBHOOK_REFUSED`. */
  deliver(pipeline: string, name: string, delivery: HookDelivery): Promise<void>
}

export interface ApiPorts {
  readonly engine: Engine
  readonly approvals: ApprovalPort
  readonly triggers: TriggerPort
  readonly runDetails: RunDetailsPort
  readonly blobs: BlobPort
  readonly identity: IdentityPort
  readonly people: PeoplePort
  readonly settings: SettingsPort
  readonly datasets: DatasetPort
  readonly catalog: CatalogPort
  readonly neighbours: NeighbourPort
  readonly versions: VersionPort
  readonly health: HealthPort
  readonly retention: RetentionPort
  readonly streams: StreamPort
  readonly sessions: SessionPort
  readonly certificates: CertificatePort
  readonly models: ModelPort
  readonly endpoints: EndpointPort
  readonly batches: BatchPort
  /** An immutable blob by its digest. @throws {PlatformError} `OBJECT_NOT_FOUND`. */
  readonly blob: (sha256: string) => Promise<Uint8Array>
  /** A square WebP of at most `size` pixels a side. */
  readonly thumbnail: (image: Uint8Array, size: number) => Promise<Uint8Array>
}

export interface ApiSettings {
  readonly log: Logger
  /** The folder of the built pages; null serves the API alone. */
  readonly webDir: string | null
  /** Where a dropped image lies while it comes in. */
  readonly uploadsDir: string
  /** Host names, beside the loopback ones, under which people reach this server. */
  readonly hosts: readonly string[]
  readonly version: string
  /** Base address of the Temporal UI, for links; null where unknown. */
  readonly temporalUi: string | null
  /** Decrypts what Temporal keeps, for its page alone; left out where nothing is encrypted. */
  readonly codec?: { readonly origin: string; decode(payloads: Payload[]): Promise<Payload[]> } | null
  /** Where people reach this server, where that is not the address of the call; null on one machine. */
  readonly pageUrl?: string | null
  /** Addresses whose X-Forwarded headers are believed: those of our own front door or of a proxy. */
  readonly trustedProxies?: readonly string[]
  /** How long a login in a browser lasts. */
  readonly sessionMs?: number
  readonly audit?: Audit
  readonly limits?: Partial<ApiLimits>
}

export interface ApiLimits {
  readonly requestsPerMinute: number
  readonly loginsPerMinute: number
  readonly uploadFiles: number
  readonly uploadFileBytes: number
  readonly uploadTotalBytes: number
  readonly pollMs: number
}
