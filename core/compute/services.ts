/**
 * The port to where endpoints run: replica processes behind `apps/gateway` on one machine, Deployments on Kubernetes.
 * Desired state is data in the object store (`endpoints/<name>/revisions/<seq>.json` and a traffic pointer log);
 * a host makes it true, again and again, so that killing anything costs at most a restart.
 */

type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }

export interface RevisionSpec {
  readonly endpoint: string
  /** Counts from 1. */
  readonly revision: number
  readonly model: { readonly name: string; readonly version: number; readonly digest: string }
  readonly replicas: number
  /** The most requests waiting in one replica before it answers 503. */
  readonly queueLimit: number
  /** Bytes of predicted images kept for labelling; 0 switches capture off. */
  readonly captureBytes: number
  /** The dataset that captured images go to; null switches capture off. */
  readonly captureDataset: string | null
  /** The bundle of an algorithm file and its parameters; absent or null: the model's scores are the answer. */
  readonly algorithm?: { readonly bundle: string; readonly params: Readonly<Record<string, JsonValue>> } | null
}

/** Shares of requests by revision, whole percents, sum 100. */
export type Traffic = Readonly<Record<number, number>>

export interface RevisionStatus {
  readonly revision: number
  readonly wanted: number
  /** Replicas that are loaded and warmed. */
  readonly ready: number
  /** One sentence when it cannot become ready. */
  readonly trouble: string | null
  /** One sentence of what it waits for that will come or that others can bring about, as room in the cluster. */
  readonly waiting: string | null
}

export interface ServiceHost {
  /** Creates the revision or finds it unchanged; its replicas start, without traffic. */
  apply(spec: RevisionSpec): Promise<void>
  /** Resolves when new requests follow the shares. */
  setTraffic(endpoint: string, traffic: Traffic): Promise<void>
  status(endpoint: string): Promise<readonly RevisionStatus[]>
  /** Ends a revision's replicas after they drained. */
  retire(endpoint: string, revision: number): Promise<void>
  /** Ends an endpoint: it takes no more requests, and its revisions end. Resolves when nothing of it runs any more. */
  remove(endpoint: string): Promise<void>
  /** The base address that clients call: `<url>/v2/models/<endpoint>/infer`. */
  url(endpoint: string): Promise<string>
  /** Makes true what the store says, now. Cheap when it is true already; somebody calls it every few seconds. */
  reconcile(): Promise<void>
}
