/**
 * A Kubernetes API server for tests, over real HTTP, with faults: it keeps any resource (`fake-kube-objects.ts`), lists in
 * pages, watches with bookmarks, follows logs, and breaks in every way that a real one was seen to break.
 *
 * Nothing runs in it: a test plays the controllers and the kubelet through `on`, `podOf`, `runPod`, `log` and `completeJob`.
 *
 *   const kube = await startFakeKube()
 *   kube.on('ADDED', 'jobs', ({ object }) => kube.completeJob(object.metadata.name))
 *   kube.fault({ method: 'POST', path: /jobs$/ }, { kind: 'lost-answer' })
 *   const jobs = createKubernetesJobRunner({ api: kube.api, … })
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeConnection } from '../../core/compute/kubernetes/api.ts'
import { connectKube } from '../../core/compute/kubernetes/http.ts'
import { JOB_PERMISSIONS, SERVICE_PERMISSIONS, type PermissionRule } from '../../core/compute/kubernetes/permissions.ts'
import { FakeLogs, type LogOptions } from './fake-kube-logs.ts'
import {
  describe,
  collectionTest,
  matchesFields,
  matchesLabels,
  ObjectTable,
  Refusal,
  type Change,
  type KubeJson,
} from './fake-kube-objects.ts'
import { jobStatus, podForJob, podStatus, type Ending } from './fake-kube-status.ts'

export type { Change, KubeJson } from './fake-kube-objects.ts'
export type { Ending } from './fake-kube-status.ts'

export type Fault =
  /** Answers this instead. */
  | { kind: 'status'; status: number; reason?: string; message?: string; retryAfterSeconds?: number }
  /** Cuts the connection before doing anything. */
  | { kind: 'reset' }
  /** Does what was asked and cuts the connection before the answer. */
  | { kind: 'lost-answer' }
  /** Takes the request and never says anything. */
  | { kind: 'half-open' }
  /** Answers after so long. */
  | { kind: 'slow'; ms: number }
  /** A watch that begins with `{"type":"ERROR"}`, code 410. */
  | { kind: 'expired' }
  /** A watch or a log that begins with this text. */
  | { kind: 'garbage'; text: string }

export interface RequestMatch {
  readonly method?: string
  /** The whole path, or a pattern of it. */
  readonly path?: string | RegExp
  /** Watches only, or everything but watches. */
  readonly watch?: boolean
}

/** How open streams break: `end` closes cleanly, `cut` sends half of a line first, `freeze` stays open and silent. */
export type Break = 'end' | 'reset' | 'cut' | 'freeze' | 'expire'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly body: KubeJson | undefined
  readonly contentType: string | undefined
  readonly authorization: string | undefined
}

export interface FakeKubeOptions {
  readonly namespace?: string
  /** Requests without this bearer token get 401. */
  readonly token?: string
  /** Who connects may do this in its namespace and no more; what the chart's Role allows where left out. */
  readonly permissions?: readonly PermissionRule[]
  /** Serves HTTPS. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer }
}

interface Stream {
  readonly kind: 'watch' | 'log'
  readonly path: string
  readonly response: ServerResponse
  readonly matches: (change: Change) => boolean
  /** Nothing more is sent on it. */
  frozen: boolean
}

type Handler = (change: Change) => void | Promise<void>

const GROUPS = ['apps/v1', 'authorization.k8s.io/v1', 'autoscaling/v2', 'batch/v1', 'networking.k8s.io/v1', 'policy/v1']

/** Starts on a free loopback port, with the namespaces `default` and the installation's own. */
export async function startFakeKube(options: FakeKubeOptions = {}): Promise<FakeKube> {
  const fake = new FakeKube(options)
  await fake.restart()
  return fake
}

export class FakeKube {
  readonly namespace: string
  readonly objects = new ObjectTable()
  readonly logs: FakeLogs
  /** API groups that are installed; add `metrics.k8s.io/v1beta1` or `gateway.networking.k8s.io/v1`. */
  readonly groups = new Set(GROUPS)
  /** As `/version` tells it. */
  version = 'v1.34.4'
  /** Added to the Date header. */
  clockSkewMs = 0
  /** Requests without this bearer token get 401; null lets everybody in. */
  token: string | null
  /** Every request so far. */
  readonly requests: SeenRequest[] = []
  readonly #options: FakeKubeOptions
  readonly #streams = new Set<Stream>()
  readonly #faults: { readonly match: RequestMatch; readonly fault: Fault; left: number }[] = []
  readonly #allowed: readonly PermissionRule[]
  readonly #forbidden: { readonly verb: string; readonly resource: string }[] = []
  #server: Server | null = null
  #port = 0
  #api: KubeConnection | null = null

  constructor(options: FakeKubeOptions) {
    this.#options = options
    this.namespace = options.namespace ?? 'gyre'
    this.token = options.token ?? null
    this.#allowed = options.permissions ?? [...JOB_PERMISSIONS, ...SERVICE_PERMISSIONS, ...BY_OPERATORS]
    this.logs = new FakeLogs((namespace, pod) => this.objects.find(`/api/v1/namespaces/${namespace}/pods`, pod))
    for (const name of new Set(['default', this.namespace])) this.put('namespaces', { metadata: { name } })
    this.objects.subscribe((change) => this.logs.changed(change))
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`
  }

  /** A connection to it, without waiting long for an answer. */
  get api(): KubeConnection {
    this.#api ??= this.connect()
    return this.#api
  }

  connect(options: { readonly namespace?: string; readonly answerMs?: number } = {}): KubeConnection {
    const credentials = () => Promise.resolve({ headers: { authorization: `Bearer ${this.token}` }, tls: {} })
    return connectKube({
      server: this.url,
      namespace: this.namespace,
      answerMs: 5_000,
      ...(this.token === null ? {} : { credentials }),
      ...options,
    })
  }

  // Running it

  /** Cuts every connection and stops listening; what it holds stays. */
  async stop(): Promise<void> {
    const server = this.#server
    if (!server) return
    this.#server = null
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  /** Comes back on the same port; with `lose` it has forgotten everything but its namespaces. */
  async restart({ lose = false }: { lose?: boolean } = {}): Promise<void> {
    await this.stop()
    if (lose) {
      this.objects.clear()
      for (const name of new Set(['default', this.namespace])) this.put('namespaces', { metadata: { name } })
    }
    const handler = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response)
    const { tls } = this.#options
    this.#server = tls ? (await import('node:https')).createServer(tls, handler) : createServer(handler)
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Resolves when the condition holds, looked at every other millisecond; a test's own time limit bounds it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await delay(2)
  }

  // Objects

  /** The collection of a resource in the installation's namespace: `jobs` → `/apis/batch/v1/namespaces/gyre/jobs`. */
  collection(resource: string): string {
    if (resource.startsWith('/')) return resource
    if (CLUSTER_WIDE[resource]) return `${CLUSTER_WIDE[resource]}/${resource}`
    return `${PREFIXES[resource] ?? '/api/v1'}/namespaces/${this.namespace}/${resource}`
  }

  /** Creates an object as somebody else would; replaces the one of that name, status too. @param resource - `jobs`, or a whole collection path. */
  put(resource: string, object: KubeJson): KubeJson {
    const collection = this.collection(resource)
    const { name } = object['metadata']
    if (!this.objects.find(collection, name)) return this.objects.create(collection, object)
    this.objects.replace(collection, name, object)
    return object['status']
      ? this.objects.replace(collection, name, object, { status: true })
      : this.get(resource, name)
  }

  get(resource: string, name: string): KubeJson {
    return this.objects.get(this.collection(resource), name)
  }

  find(resource: string, name: string): KubeJson | null {
    return this.objects.find(this.collection(resource), name)
  }

  list(resource: string): KubeJson[] {
    return this.objects.list(this.collection(resource))
  }

  /** Merges into the status, as a controller would. */
  setStatus(resource: string, name: string, status: KubeJson): KubeJson {
    return this.objects.merge(this.collection(resource), name, { status }, { status: true })
  }

  delete(resource: string, name: string, propagationPolicy = 'Background'): void {
    this.objects.delete(this.collection(resource), name, { propagationPolicy })
  }

  /** Deleted objects of this resource stay, marked, until the returned function lets one go: `(name) => void`. */
  holdDeletions(resource: string): (name: string) => void {
    this.objects.held.add(resource)
    return (name) => this.objects.remove(this.collection(resource), name)
  }

  /** Calls the handler soon after each such change; for playing controllers. @returns a function that ends it. */
  on(type: Change['type'], resource: string, handler: Handler): () => void {
    return this.objects.subscribe((change) => {
      if (change.type === type && describe(change.collection).resource === resource)
        setImmediate(() => void handler(change))
    })
  }

  // Playing the Job controller, the scheduler and the kubelet

  /** A new Pod of a Job, pending, as the Job controller makes it. */
  podOf(job: string, overlay: KubeJson = {}): KubeJson {
    return this.put('pods', podForJob(this.get('jobs', job), overlay))
  }

  /** The Pods of a Job, oldest first. */
  podsOf(job: string): KubeJson[] {
    const { uid } = this.get('jobs', job)['metadata']
    const owned = this.list('pods').filter(({ metadata }) => metadata.ownerReferences?.[0]?.uid === uid)
    return owned.sort((a, b) => Number(a['metadata'].resourceVersion) - Number(b['metadata'].resourceVersion))
  }

  /** Every container of the Pod runs; init containers are done. */
  runPod(pod: string): KubeJson {
    return this.setStatus('pods', pod, podStatus(this.get('pods', pod), 'running'))
  }

  /** Every container of the Pod ends so; its logs end. */
  endPod(pod: string, ending: Ending = {}): KubeJson {
    return this.setStatus('pods', pod, podStatus(this.get('pods', pod), ending))
  }

  /** Ends a Job and its Pod (made, where it has none): condition Complete for exit code 0, else Failed. */
  completeJob(job: string, ending: Ending = {}): void {
    const pod = this.podsOf(job).at(-1) ?? this.podOf(job)
    this.endPod(pod['metadata'].name, ending)
    this.setStatus('jobs', job, jobStatus(this.get('jobs', job), ending))
  }

  /** An Event about an object. */
  event(about: KubeJson, reason: string, message: string, type: 'Normal' | 'Warning' = 'Warning'): KubeJson {
    const { name, namespace, uid } = about['metadata']
    const now = new Date().toISOString()
    return this.objects.create(this.collection('events'), {
      metadata: { generateName: `${name}.` },
      involvedObject: { kind: about['kind'], name, namespace, uid },
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
    })
  }

  /** Adds whole lines to a container's log. */
  log(pod: string, lines: string | readonly string[], options: LogOptions = {}): void {
    this.logs.append(this.namespace, pod, typeof lines === 'string' ? [lines] : lines, options)
  }

  // Faults

  /** The next such requests (one, unless `times` says more) go wrong. */
  fault(match: RequestMatch, fault: Fault, times = 1): void {
    this.#faults.push({ match, fault, left: times })
  }

  /** Breaks the streams that are open now. @returns how many. */
  breakStreams(how: Break, match: { readonly kind?: 'watch' | 'log'; readonly path?: string | RegExp } = {}): number {
    const hit = [...this.#streams].filter(
      (stream) => (!match.kind || stream.kind === match.kind) && pathMatches(match.path, stream.path),
    )
    for (const stream of hit) this.#break(stream, how)
    return hit.length
  }

  /** Streams that are open now and not frozen. */
  openStreams(kind?: 'watch' | 'log'): number {
    return [...this.#streams].filter((stream) => !stream.frozen && (!kind || stream.kind === kind)).length
  }

  /** Forgets old changes: continuing a watch or a list from before now is answered 410. */
  compact(): void {
    this.objects.compact()
  }

  /** Sends a bookmark to every open watch. */
  bookmark(): void {
    for (const stream of this.#streams) if (stream.kind === 'watch') this.#sendBookmark(stream)
  }

  /** Nobody may do this any more. @param resource - `jobs`, `pods/log`, …; `*` for all, as for the verb. */
  forbid(verb: string, resource: string): void {
    this.#forbidden.push({ verb, resource })
  }

  #break(stream: Stream, how: Break): void {
    stream.frozen = true
    if (how === 'expire') stream.response.end(`${JSON.stringify({ type: 'ERROR', object: EXPIRED })}\n`)
    if (how === 'end') stream.response.end()
    if (how === 'reset') stream.response.socket?.resetAndDestroy()
    if (how === 'cut') stream.response.write(CUT_LINES[stream.kind], () => stream.response.socket?.resetAndDestroy())
  }

  // Answering

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const text = await bodyText(request).catch(() => null)
    if (text === null) return
    const seen: SeenRequest = {
      method: request.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: Object.fromEntries(url.searchParams),
      body: text ? (JSON.parse(text) as KubeJson) : undefined,
      contentType: request.headers['content-type'],
      authorization: request.headers.authorization,
    }
    this.requests.push(seen)
    response.setHeader('date', new Date(Date.now() + this.clockSkewMs).toUTCString())
    const fault = this.#takeFault(seen)
    if (fault?.kind === 'half-open') return
    if (fault?.kind === 'reset') return void response.socket?.resetAndDestroy()
    if (fault?.kind === 'slow') setTimeout(() => this.#answer(seen, response, fault), fault.ms).unref()
    else this.#answer(seen, response, fault)
  }

  #takeFault(seen: SeenRequest): Fault | null {
    const isWatch = seen.query['watch'] !== undefined
    const planned = this.#faults.find(
      ({ match, left }) =>
        left > 0 &&
        (!match.method || match.method === seen.method) &&
        (match.watch === undefined || match.watch === isWatch) &&
        pathMatches(match.path, seen.path),
    )
    if (!planned) return null
    planned.left -= 1
    return planned.fault
  }

  #answer(seen: SeenRequest, response: ServerResponse, fault: Fault | null): void {
    try {
      if (fault?.kind === 'status')
        throw new Refusal(fault.status, fault.reason ?? '', fault.message ?? 'injected', fault.retryAfterSeconds)
      if (this.token !== null && seen.authorization !== `Bearer ${this.token}`)
        throw new Refusal(401, 'Unauthorized', 'Unauthorized')
      const special = this.#special(seen)
      const result = special ?? this.#resource(seen, response, fault)
      if (fault?.kind === 'lost-answer') response.socket?.resetAndDestroy()
      else if (result) sendJson(response, result.status ?? 200, result.body)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (error.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(error.retryAfterSeconds))
      sendJson(response, error.status, statusBody(error))
    }
  }

  #special({ method, path, body }: SeenRequest): Answer | null {
    if (path === '/version') return { body: versionOf(this.version) }
    if (path === '/readyz' || path === '/livez') return { body: 'ok' }
    const groups = groupList(this.groups)
    if (path === '/apis') return { body: { kind: 'APIGroupList', groups } }
    const group = groups.find(({ name }) => path === `/apis/${name}`)
    if (group) return { body: { kind: 'APIGroup', ...group } }
    const version = /^\/apis\/([^/]+\/[^/]+)$/.exec(path)?.[1]
    if (version && this.groups.has(version))
      return { body: { kind: 'APIResourceList', groupVersion: version, resources: [] } }
    if (method !== 'POST') return null
    if (path.endsWith('/selfsubjectaccessreviews')) return { status: 201, body: this.#review(body!) }
    if (path.endsWith('/selfsubjectreviews'))
      return { status: 201, body: { ...body, status: { userInfo: { username: 'gyre' } } } }
    return null
  }

  #review(body: KubeJson): KubeJson {
    const { group, verb, resource, subresource } = body['spec'].resourceAttributes
    const full = subresource ? `${resource}/${subresource}` : resource
    return { ...body, status: { allowed: this.#isAllowed(verb, group, full) } }
  }

  #isAllowed(verb: string, group: string, resource: string): boolean {
    const hit = (rule: string, value: string) => rule === '*' || rule === value
    if (this.#forbidden.some((rule) => hit(rule.verb, verb) && hit(rule.resource, resource))) return false
    return this.#allowed.some(
      ({ apiGroup, resources, verbs }) => apiGroup === group && resources.includes(resource) && verbs.includes(verb),
    )
  }

  #resource(seen: SeenRequest, response: ServerResponse, fault: Fault | null): Answer | null {
    const { method, query, body } = seen
    const route = routeOf(seen.path)
    if (!route || (route.group && !this.groups.has(route.group)))
      throw new Refusal(404, 'NotFound', 'the server could not find the requested resource')
    const { collection, name, sub } = route
    this.#checkAllowed(seen, route)
    const dryRun = query['dryRun'] === 'All'
    const status = sub === 'status'
    if (sub === 'log') return this.#log(seen, route, response, fault)
    if (sub === 'eviction') return this.#evict(route)
    if (method === 'GET' && name) return { body: this.objects.get(collection, name) }
    if (method === 'GET')
      return query['watch'] ? this.#watch(seen, collection, response, fault) : this.#list(seen, collection)
    if (method === 'POST') {
      this.#checkNamespace(collection)
      return { status: 201, body: this.objects.create(collection, body ?? {}, dryRun) }
    }
    if (!name)
      throw new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')
    if (method === 'PUT') return { body: this.objects.replace(collection, name, body ?? {}, { status, dryRun }) }
    if (method === 'DELETE')
      return { body: this.objects.delete(collection, name, { ...query, ...body } as KubeJson, dryRun) }
    return { body: this.#patch(seen, collection, name, { status, dryRun }) }
  }

  #patch(seen: SeenRequest, collection: string, name: string, how: { status: boolean; dryRun: boolean }): KubeJson {
    const type = seen.contentType ?? ''
    if (type.startsWith('application/apply-patch')) {
      const manager = seen.query['fieldManager']
      if (!manager) throw new Refusal(400, 'BadRequest', 'fieldManager is required for apply patch')
      this.#checkNamespace(collection)
      return this.objects.apply(collection, name, seen.body ?? {}, manager, how.dryRun)
    }
    if (!/^application\/(strategic-)?merge-patch\+json/.test(type))
      throw new Refusal(415, 'UnsupportedMediaType', `the body of the request was in an unknown format: ${type}`)
    return this.objects.merge(collection, name, seen.body ?? {}, how)
  }

  #checkAllowed({ method, query }: SeenRequest, { collection, name, sub }: Route): void {
    const { resource, group, namespace } = describe(collection)
    const reading = query['watch'] ? 'watch' : name ? 'get' : 'list'
    const verb = { GET: reading, POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? method
    const full = sub && sub !== 'status' ? `${resource}/${sub}` : resource
    if (this.#isAllowed(verb, group, full)) return
    const where = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope'
    const which = `${full}${group ? `.${group}` : ''}${name ? ` "${name}"` : ''}`
    throw new Refusal(
      403,
      'Forbidden',
      `${which} is forbidden: User "gyre" cannot ${verb} resource "${full}" in API group "${group}" ${where}`,
    )
  }

  #checkNamespace(collection: string): void {
    const { namespace } = describe(collection)
    if (namespace && !this.objects.find('/api/v1/namespaces', namespace))
      throw new Refusal(404, 'NotFound', `namespaces "${namespace}" not found`)
  }

  #list({ query }: SeenRequest, collection: string): Answer {
    const all = this.objects.list(collection).filter(selection(query))
    const [at, after] = (query['continue'] ?? '').split('|')
    if (query['continue'] && Number(at) < this.objects.compacted)
      throw new Refusal(410, 'Expired', 'The provided continue parameter is too old')
    const from = after ? Number(after) : 0
    const limit = Number(query['limit'] ?? 0) || Infinity
    const items = all.slice(from, from + limit)
    const left = all.length - from - items.length
    const revision = at || String(this.objects.revision)
    const next = left > 0 ? { continue: `${revision}|${from + items.length}`, remainingItemCount: left } : {}
    return {
      body: {
        kind: `${all[0]?.['kind'] ?? 'Object'}List`,
        metadata: { resourceVersion: revision, ...next },
        // As on a real server, items of a list carry neither kind nor apiVersion.
        items: items.map(({ kind: _kind, apiVersion: _version, ...item }) => item),
      },
    }
  }

  #watch({ path, query }: SeenRequest, collection: string, response: ServerResponse, fault: Fault | null): null {
    const since = Number(query['resourceVersion'] ?? 0)
    const inside = collectionTest(collection)
    const selected = selection(query)
    const matches = (change: Change) =>
      inside(change.collection) && (selected(change.object) || (change.before !== null && selected(change.before)))
    const stream: Stream = { kind: 'watch', path, response, matches, frozen: false }
    this.#open(stream)
    if (fault?.kind === 'garbage') response.write(fault.text)
    if (fault?.kind === 'expired' || (since > 0 && since < this.objects.compacted)) this.#break(stream, 'expire')
    const past =
      since > 0
        ? this.objects.changesAfter(since)
        : this.objects.list(collection).map((object) => added(collection, object))
    for (const change of past) this.#send(stream, change, selected)
    const end = this.objects.subscribe((change) => this.#send(stream, change, selected))
    const seconds = Number(query['timeoutSeconds'] ?? 1800)
    const timer = setTimeout(() => response.end(), seconds * 1000)
    response.on('close', () => {
      clearTimeout(timer)
      end()
    })
    return null
  }

  /** A change that brings an object into the selection is an addition to it, one that takes it out a deletion. */
  #send(stream: Stream, change: Change, selected: (object: KubeJson) => boolean): void {
    if (stream.frozen || stream.response.writableEnded || !stream.matches(change)) return
    const was = change.before !== null && selected(change.before)
    const is = change.type !== 'DELETED' && selected(change.object)
    const type = is ? (was ? 'MODIFIED' : 'ADDED') : 'DELETED'
    stream.response.write(`${JSON.stringify({ type, object: change.object })}\n`)
  }

  #sendBookmark({ response, frozen }: Stream): void {
    const object = { metadata: { resourceVersion: String(this.objects.revision) } }
    if (!frozen) response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  #log(seen: SeenRequest, { collection, name }: Route, response: ServerResponse, fault: Fault | null): null {
    const namespace = describe(collection).namespace!
    this.objects.get(collection, name!)
    const log = this.logs.open(namespace, name!, seen.query)
    const stream: Stream = { kind: 'log', path: seen.path, response, matches: () => false, frozen: false }
    this.#open(stream, 'text/plain')
    if (fault?.kind === 'garbage') response.write(fault.text)
    const write = (text: string) => void (stream.frozen || response.writableEnded || response.write(text))
    const stop = log.follow(write, () => void (stream.frozen || response.end()))
    response.on('close', stop)
    return null
  }

  #open(stream: Stream, type = 'application/json'): void {
    this.#streams.add(stream)
    stream.response.on('close', () => this.#streams.delete(stream))
    stream.response.writeHead(200, { 'content-type': type })
    stream.response.flushHeaders()
  }

  #evict({ collection, name }: Route): Answer {
    const pod = this.objects.get(collection, name!)
    const conditions = [
      ...(pod['status']?.conditions ?? []),
      { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' },
    ]
    this.objects.merge(collection, name!, { status: { conditions } }, { status: true })
    this.objects.delete(collection, name!)
    return { status: 201, body: { kind: 'Status', status: 'Success' } }
  }
}

interface Answer {
  readonly status?: number
  readonly body: unknown
}

interface Route {
  readonly collection: string
  /** `batch/v1`; null in the core group. */
  readonly group: string | null
  readonly name?: string
  readonly sub?: string
}

/** `[prefix]/[namespaces/NS/]resource[/name[/sub]]`. */
function routeOf(path: string): Route | null {
  const parts = path.split('/').filter(Boolean)
  const depth = parts[0] === 'apis' ? 3 : 2
  if (parts.length <= depth) return null
  const namespaced = parts[depth] === 'namespaces' && parts.length > depth + 2
  const end = depth + (namespaced ? 3 : 1)
  const [name, sub] = parts.slice(end)
  return {
    collection: `/${parts.slice(0, end).join('/')}`,
    group: depth === 3 ? `${parts[1]}/${parts[2]}` : null,
    ...(name ? { name } : {}),
    ...(sub ? { sub } : {}),
  }
}

const PREFIXES: Readonly<Record<string, string>> = {
  jobs: '/apis/batch/v1',
  deployments: '/apis/apps/v1',
  replicasets: '/apis/apps/v1',
  poddisruptionbudgets: '/apis/policy/v1',
  networkpolicies: '/apis/networking.k8s.io/v1',
  horizontalpodautoscalers: '/apis/autoscaling/v2',
  httproutes: '/apis/gateway.networking.k8s.io/v1',
}

/** What operators give or do beyond the Role: looking at the cluster, at their Gateway, and draining nodes. */
const BY_OPERATORS: readonly PermissionRule[] = [
  { apiGroup: '', resources: ['namespaces'], verbs: ['get'], for: 'the preflight' },
  { apiGroup: '', resources: ['nodes'], verbs: ['list'], for: 'the preflight' },
  { apiGroup: '', resources: ['pods/eviction'], verbs: ['create'], for: 'a drain' },
  { apiGroup: 'gateway.networking.k8s.io', resources: ['gateways'], verbs: ['get'], for: 'its address' },
]

const CLUSTER_WIDE: Readonly<Record<string, string>> = { namespaces: '/api/v1', nodes: '/api/v1' }

const EXPIRED = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }

const CUT_LINES = { watch: '{"type":"MODIFIED","object":{"meta', log: '2026-01-01T00:00:00.0' }

function added(collection: string, object: KubeJson): Change {
  return { revision: 0, type: 'ADDED', collection, object, before: null }
}

function selection({ labelSelector, fieldSelector }: Readonly<Record<string, string>>): (object: KubeJson) => boolean {
  return (object) =>
    (!labelSelector || matchesLabels(object, labelSelector)) && (!fieldSelector || matchesFields(object, fieldSelector))
}

function pathMatches(wanted: string | RegExp | undefined, path: string): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? wanted === path : wanted.test(path)
}

function statusBody({ status, reason, message, retryAfterSeconds }: Refusal): KubeJson {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } }
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code: status, ...details }
}

function versionOf(gitVersion: string): KubeJson {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? []
  return { major, minor, gitVersion }
}

function groupList(groups: ReadonlySet<string>): KubeJson[] {
  return [...groups].map((groupVersion) => {
    const [name, version] = groupVersion.split('/')
    return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } }
  })
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' })
  response.end(text)
}

async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
