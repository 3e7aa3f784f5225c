/**
 * What the adapters need of a Kubernetes API server, in plain HTTP: requests, streams and one error. `client.ts` gives it
 * over a kubeconfig or a Pod's service account; tests give it over a fake server.
 */

/** The parts of every object that the adapters read. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly generation?: number
    readonly creationTimestamp?: string
    readonly deletionTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
}

export interface KubeRequest {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** `application/json` where left out; patches name theirs: `application/apply-patch+yaml`, `application/merge-patch+json`. */
  readonly contentType?: string
  readonly signal?: AbortSignal
}

/** A Status that the server answered instead of what was asked for. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  constructor(
    /** The HTTP status; 0 when no answer came. */
    readonly status: number,
    /** The API's word for it: NotFound, AlreadyExists, Conflict, Forbidden, Invalid, Expired, … */
    readonly reason: string,
    message: string,
    /** Seconds after which the server wants to be asked again. */
    readonly retryAfterSeconds: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export interface KubeApi {
  /** The namespace that this installation lives in. */
  readonly namespace: string
  /** `https://…`, for messages. */
  readonly server: string
  /**
   * @param path - as `/apis/batch/v1/namespaces/gyre/jobs`.
   * @returns the parsed answer.
   * @throws {KubeError} for every answer but 2xx, and with status 0 when the server could not be reached.
   */
  request<T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, request?: KubeRequest): Promise<T>
  /** The body of a GET as it comes: watches and logs. Ends with the connection; rejects with `KubeError`. */
  stream(path: string, request?: Pick<KubeRequest, 'query' | 'signal'>): Promise<AsyncIterable<Uint8Array>>
}

/** A `KubeApi` over a real connection. */
export interface KubeConnection extends KubeApi {
  /** The server's clock minus ours, by the Date header of its last answer, within about a second; null before one came. */
  readonly clockSkewMs: number | null
}

/** How an installation uses its cluster. Adapters take it whole. */
export interface ClusterSettings {
  readonly api: KubeApi
  readonly images: {
    /** Runs built-in steps, and carries the supervisor at `/gyre/supervisor` for every other image. */
    readonly worker: string
    /** Runs replicas and the gateway. */
    readonly inference: string
  }
  /** Name of the Secret whose keys become the environment of Pods that read the store (AWS_ACCESS_KEY_ID, …). */
  readonly storeSecret: string
  /** The store as Pods reach it, and whatever else they need that is no secret (AWS_ENDPOINT_URL_S3, AWS_REGION, …). */
  readonly podEnv: Readonly<Record<string, string>>
  /** Where the store is, and the project in it. */
  readonly store: { readonly uri: string; readonly project: string }
  /** `kueue.x-k8s.io/queue-name` of every Job; null without Kueue. */
  readonly queueName: string | null
}

/** Labels of everything that Gyre makes in a cluster. */
export const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  component: 'app.kubernetes.io/component',
  job: 'gyre.io/job',
  generation: 'gyre.io/generation',
  endpoint: 'gyre.io/endpoint',
  revision: 'gyre.io/revision',
} as const

export const MANAGED_BY = 'gyre'
