/**
 * The objects of a fake Kubernetes API server: any resource under any path, with uids, resource versions that count up
 * over the whole server, merge and apply patches, preconditions, owners' garbage collection and a log of changes to watch.
 */

import { randomBytes, randomUUID } from 'node:crypto'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests reach into objects of every kind.
export type KubeJson = Record<string, any>

export interface Change {
  readonly revision: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** `/apis/batch/v1/namespaces/gyre/jobs`. */
  readonly collection: string
  readonly object: KubeJson
  /** As it was before; null for ADDED. */
  readonly before: KubeJson | null
}

/** What the server answers instead. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly retryAfterSeconds?: number,
  ) {
    super(message)
  }
}

export interface DeleteOptions {
  readonly propagationPolicy?: string
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
}

interface Row {
  readonly collection: string
  object: KubeJson
  /** What each field manager applied last. */
  readonly applied: Map<string, KubeJson>
}

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

export class ObjectTable {
  revision = 1000
  /** Changes up to this revision are forgotten: a watch from before it is told 410. */
  compacted = 0
  readonly #rows = new Map<string, Row>()
  #changes: Change[] = []
  readonly #listeners = new Set<(change: Change) => void>()
  /** Resources whose deleted objects stay, with a deletionTimestamp, until they are let go. */
  readonly held = new Set<string>()

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  changesAfter(revision: number): readonly Change[] {
    return this.#changes.filter((change) => change.revision > revision)
  }

  compact(): void {
    this.compacted = this.revision
    this.#changes = []
  }

  clear(): void {
    this.#rows.clear()
    this.revision += 1
    this.compact()
  }

  list(collection: string): KubeJson[] {
    const inside = collectionTest(collection)
    const rows = [...this.#rows.values()].filter((row) => inside(row.collection))
    return rows.map(({ object }) => object).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  find(collection: string, name: string): KubeJson | null {
    return this.#rows.get(`${collection}/${name}`)?.object ?? null
  }

  get(collection: string, name: string): KubeJson {
    return this.#row(collection, name).object
  }

  create(collection: string, body: KubeJson, dryRun = false): KubeJson {
    const { generateName } = body['metadata'] ?? {}
    const name: unknown = body['metadata']?.name ?? (generateName ? `${generateName}${suffix()}` : undefined)
    const { kind, resource, namespace } = describe(collection, body)
    if (typeof name !== 'string' || !NAME.test(name) || name.length > 253)
      throw new Refusal(422, 'Invalid', `${kind} "${String(name)}" is invalid: metadata.name: Invalid value`)
    if (this.#rows.has(`${collection}/${name}`))
      throw new Refusal(409, 'AlreadyExists', `${resource} "${name}" already exists`)
    const object: KubeJson = {
      ...structuredClone(body),
      metadata: {
        ...structuredClone(body['metadata']),
        name,
        ...(namespace ? { namespace } : {}),
        uid: randomUUID(),
        creationTimestamp: new Date().toISOString(),
        ...(body['spec'] ? { generation: 1 } : {}),
      },
    }
    if (dryRun) return object
    const row: Row = { collection, object, applied: new Map() }
    this.#rows.set(`${collection}/${name}`, row)
    this.#changed('ADDED', row, object, null)
    return row.object
  }

  /** Replaces an object, or with `status` its status alone. */
  replace(collection: string, name: string, body: KubeJson, { status = false, dryRun = false } = {}): KubeJson {
    const row = this.#row(collection, name)
    const asked: unknown = body['metadata']?.resourceVersion
    if (asked && asked !== row.object['metadata'].resourceVersion) throw conflict(collection, name)
    const { status: newStatus, ...rest } = structuredClone(body)
    const { status: oldStatus, ...former } = row.object
    const next: KubeJson = status
      ? { ...former, status: newStatus }
      : { ...rest, ...(oldStatus ? { status: oldStatus } : {}) }
    return this.#update(row, next, dryRun)
  }

  merge(collection: string, name: string, patch: KubeJson, { status = false, dryRun = false } = {}): KubeJson {
    const row = this.#row(collection, name)
    const asked: unknown = patch['metadata']?.resourceVersion
    if (asked && asked !== row.object['metadata'].resourceVersion) throw conflict(collection, name)
    const wanted = status ? { status: patch['status'] } : patch
    return this.#update(row, mergePatch(row.object, wanted) as KubeJson, dryRun)
  }

  /** Server-side apply: creates, or changes what this manager owns; what it no longer names goes. */
  apply(collection: string, name: string, body: KubeJson, manager: string, dryRun = false): KubeJson {
    if (!this.#rows.has(`${collection}/${name}`)) {
      const made = this.create(collection, { ...body, metadata: { ...body['metadata'], name } }, dryRun)
      if (!dryRun) this.#row(collection, name).applied.set(manager, structuredClone(body))
      return made
    }
    const row = this.#row(collection, name)
    const base = withoutDropped(row.object, row.applied.get(manager), body) as KubeJson
    const next = this.#update(row, deepMerge(base, body) as KubeJson, dryRun)
    if (!dryRun) row.applied.set(manager, structuredClone(body))
    return next
  }

  delete(collection: string, name: string, options: DeleteOptions = {}, dryRun = false): KubeJson {
    const row = this.#row(collection, name)
    const { uid, resourceVersion } = options.preconditions ?? {}
    const { metadata } = row.object
    if ((uid && uid !== metadata.uid) || (resourceVersion && resourceVersion !== metadata.resourceVersion))
      throw new Refusal(
        409,
        'Conflict',
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
      )
    if (dryRun) return row.object
    const { resource } = describe(collection)
    // As on a real server: batch/v1 leaves Pods behind unless it is told otherwise.
    const policy = options.propagationPolicy ?? (resource === 'jobs' ? 'Orphan' : 'Background')
    const held = this.held.has(resource)
    if ((policy === 'Foreground' || held) && !metadata.deletionTimestamp)
      this.#update(
        row,
        { ...row.object, metadata: { ...metadata, deletionTimestamp: new Date().toISOString() } },
        false,
      )
    const dependents = policy === 'Orphan' ? [] : this.#dependents(metadata.uid)
    if (policy !== 'Foreground' && !held) this.remove(collection, name)
    for (const dependent of dependents) this.#deleteRow(dependent)
    const left = this.#rows.has(`${collection}/${name}`) && !held && this.#dependents(metadata.uid).length === 0
    if (left && policy === 'Foreground') this.remove(collection, name)
    return row.object
  }

  /** Takes an object away at once, held or not, and then owners that only waited for it. */
  remove(collection: string, name: string): void {
    const row = this.#row(collection, name)
    this.#rows.delete(`${collection}/${name}`)
    this.#changed('DELETED', row, row.object, row.object)
    for (const { uid } of row.object['metadata'].ownerReferences ?? []) {
      const owner = [...this.#rows.values()].find(({ object }) => object['metadata'].uid === uid)
      const waits = owner?.object['metadata'].deletionTimestamp && !this.held.has(describe(owner.collection).resource)
      if (waits && this.#dependents(uid).length === 0) this.remove(owner.collection, owner.object['metadata'].name)
    }
  }

  #deleteRow({ collection, object }: Row): void {
    if (this.#rows.has(`${collection}/${object['metadata'].name}`))
      this.delete(collection, object['metadata'].name, { propagationPolicy: 'Background' })
  }

  #dependents(uid: string): Row[] {
    const owned = ({ object }: Row) =>
      (object['metadata'].ownerReferences ?? []).some((owner: KubeJson) => owner['uid'] === uid)
    return [...this.#rows.values()].filter(owned)
  }

  #row(collection: string, name: string): Row {
    const row = this.#rows.get(`${collection}/${name}`)
    if (row) return row
    throw new Refusal(404, 'NotFound', `${describe(collection).resource} "${name}" not found`)
  }

  #update(row: Row, next: KubeJson, dryRun: boolean): KubeJson {
    const before = row.object
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
    const { uid, name, namespace, creationTimestamp, resourceVersion, generation } = before['metadata']
    const kept = { uid, name, creationTimestamp, resourceVersion, ...(namespace ? { namespace } : {}) }
    const grown =
      generation === undefined ? {} : { generation: generation + (same(next['spec'], before['spec']) ? 0 : 1) }
    const object: KubeJson = { ...next, metadata: { ...next['metadata'], ...kept, ...grown } }
    if (sortedJson(object) === sortedJson(before) || dryRun) return object
    this.#changed('MODIFIED', row, object, before)
    return row.object
  }

  #changed(type: Change['type'], row: Row, object: KubeJson, before: KubeJson | null): void {
    this.revision += 1
    row.object = { ...object, metadata: { ...object['metadata'], resourceVersion: String(this.revision) } }
    const change = { revision: this.revision, type, collection: row.collection, object: row.object, before }
    this.#changes.push(change)
    for (const listener of this.#listeners) listener(change)
  }
}

/** Whether a collection is the one asked for, or one of its namespaces' where no namespace was named. */
export function collectionTest(asked: string): (collection: string) => boolean {
  const [, prefix, resource] = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/([^/]+)$/.exec(asked) ?? []
  if (prefix === undefined) return (collection) => collection === asked
  return (collection) =>
    collection === asked || (collection.startsWith(`${prefix}/namespaces/`) && collection.endsWith(`/${resource}`))
}

/** `app=a,tier!=b,x in (1,2),!y,z`. */
export function matchesLabels(object: KubeJson, selector: string): boolean {
  const labels: Record<string, string> = object['metadata'].labels ?? {}
  const terms = selector.match(/[^,(]+(\([^)]*\))?/g) ?? []
  return terms.every((term) => {
    const text = term.trim()
    const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(text)
    if (set)
      return (
        set[3]!
          .split(',')
          .map((it) => it.trim())
          .includes(labels[set[1]!] ?? '') ===
        (set[2] === 'in')
      )
    if (text.startsWith('!')) return labels[text.slice(1)] === undefined
    const [, name, operator, value] = /^([^=!]+?)\s*(==|=|!=)\s*(.*)$/.exec(text) ?? []
    if (name === undefined) return labels[text] !== undefined
    return (labels[name] === value) === (operator !== '!=')
  })
}

/** `metadata.name=a,status.phase!=Running`. */
export function matchesFields(object: KubeJson, selector: string): boolean {
  return selector.split(',').every((term) => {
    const [, path, operator, value] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term.trim()) ?? []
    const found = (path ?? '').split('.').reduce<unknown>((at, key) => (at as KubeJson | undefined)?.[key], object)
    return (String(found ?? '') === value) === (operator !== '!=')
  })
}

export interface Described {
  readonly kind: string
  readonly resource: string
  readonly group: string
  readonly namespace: string | null
}

export function describe(collection: string, body: KubeJson = {}): Described {
  const parts = collection.split('/').filter(Boolean)
  const resource = parts.at(-1)!
  const at = parts.indexOf('namespaces')
  const namespace = at !== -1 && at < parts.length - 1 ? parts[at + 1]! : null
  return { kind: body['kind'] ?? resource, resource, group: parts[0] === 'apis' ? parts[1]! : '', namespace }
}

function keyOf({ metadata }: KubeJson): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

function conflict(collection: string, name: string): Refusal {
  const { resource } = describe(collection)
  return new Refusal(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${resource} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
  )
}

function suffix(): string {
  return randomBytes(3).toString('hex').slice(0, 5)
}

function isMap(value: unknown): value is KubeJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch
  const merged: KubeJson = isMap(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatch(merged[key], value)
  }
  return merged
}

/** Maps are merged; anything else, lists too, is replaced. */
function deepMerge(target: unknown, applied: unknown): unknown {
  if (!isMap(target) || !isMap(applied)) return applied
  const merged: KubeJson = { ...target }
  for (const [key, value] of Object.entries(applied)) merged[key] = deepMerge(merged[key], value)
  return merged
}

function withoutDropped(object: unknown, former: unknown, applied: unknown): unknown {
  if (!isMap(object) || !isMap(former) || !isMap(applied)) return object
  const kept: KubeJson = {}
  for (const [key, value] of Object.entries(object))
    if (!(key in former) || key in applied) kept[key] = withoutDropped(value, former[key], applied[key])
  return kept
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, it: unknown) =>
    isMap(it) ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))) : it,
  )
}
