/**
 * Whether a Temporal server can be used as it is set: asked before any work starts, and by `gyre doctor`. On a server of
 * the user's own, the search attributes are registered where that is permitted.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from '@temporalio/client'
import { PlatformError } from '#core/errors'
import { connectionOptions } from './connection.ts'
import { SEARCH_ATTRIBUTES } from './search-attributes.ts'
import type { TemporalSettings } from './settings.ts'
import { explainUnreachable } from './transport.ts'

export interface CheckOptions {
  /** Registers missing search attributes instead of complaining about them. */
  readonly register?: boolean
}

const OLDEST_SERVER = [1, 29] as const
const CALL_MS = 5_000
/** A frontend learns of a new search attribute with its next look at the namespace. */
const LEARN_MS = 30_000
const PAUSE_MS = 500
/** `IndexedValueType` and gRPC status codes, by number: their enums would load all of Temporal's protocol. */
const KEYWORD = 2
const GRPC = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const

/**
 * Waits for a server that is still starting, then checks it once.
 *
 * @param patienceMs - how long a server that does not answer may take to come.
 * @throws {PlatformError} the first problem: `TEMPORAL_UNAVAILABLE` or `TEMPORAL_UNUSABLE`.
 */
export async function prepareTemporal(
  settings: TemporalSettings,
  { patienceMs }: { patienceMs: number },
): Promise<void> {
  const untilMs = Date.now() + patienceMs
  for (;;) {
    const [problem] = await checkTemporal(settings, { register: true })
    if (!problem) return
    if (problem.code !== 'TEMPORAL_UNAVAILABLE' || Date.now() >= untilMs) throw problem
    await delay(PAUSE_MS)
  }
}

/** @returns what is in the way, one sentence each with what mends it; empty when the server can be used. */
export async function checkTemporal(
  settings: TemporalSettings,
  { register = false }: CheckOptions = {},
): Promise<readonly PlatformError[]> {
  const { Connection } = await import('@temporalio/client')
  // Without the retries that the client makes by default: the first answer is what we want to tell.
  const connection = Connection.lazy({ ...connectionOptions(settings), interceptors: [], connectTimeout: CALL_MS })
  const server = new Server(connection, settings)
  try {
    const problems = [await server.versionProblem()]
    problems.push((await server.namespaceProblem()) ?? (await server.attributesProblem(register)))
    return problems.filter((problem) => problem !== null)
  } catch (error) {
    return [await server.explain(error)]
  } finally {
    await connection.close()
  }
}

class Server {
  constructor(
    private readonly connection: Connection,
    private readonly settings: TemporalSettings,
  ) {}

  async versionProblem(): Promise<PlatformError | null> {
    const { serverVersion } = await this.#call(() => this.connection.workflowService.getSystemInfo({}))
    const [major = 0, minor = 0] = (serverVersion ?? '').split('.').map(Number)
    if (major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1])) return null
    return this.#unusable(
      `the Temporal server at ${this.settings.address} is ${serverVersion}; Gyre needs ${OLDEST_SERVER.join('.')} or newer: upgrade it`,
    )
  }

  async namespaceProblem(): Promise<PlatformError | null> {
    const { namespace, address } = this.settings
    try {
      await this.#call(() => this.connection.workflowService.describeNamespace({ namespace }))
      return null
    } catch (error) {
      if (codeOf(error) !== GRPC.notFound) throw error
      const command = `temporal operator namespace create --address ${address} --namespace ${namespace} --retention 90d`
      return this.#unusable(`the Temporal server at ${address} has no namespace "${namespace}"; create it: ${command}`)
    }
  }

  async attributesProblem(register: boolean): Promise<PlatformError | null> {
    const { namespace } = this.settings
    const known = await this.#attributes()
    // A server that does not let us look may have them all; a run will say when one is missing.
    if (known === null) return null
    const other = SEARCH_ATTRIBUTES.find((name) => known[name] !== undefined && known[name] !== KEYWORD)
    if (other)
      return this.#unusable(
        `the search attribute ${other} of the namespace "${namespace}" is of another type than Keyword; remove it there, then start again`,
      )
    const missing = SEARCH_ATTRIBUTES.filter((name) => known[name] === undefined)
    if (missing.length === 0) return null
    const refusal = register ? await this.#register(missing) : ''
    return refusal === null ? null : this.#missing(missing, refusal)
  }

  /** @returns null when they are registered, else why not. */
  async #register(missing: readonly string[]): Promise<string | null> {
    const { namespace } = this.settings
    try {
      const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]))
      await this.#call(() => this.connection.operatorService.addSearchAttributes({ namespace, searchAttributes }))
    } catch (error) {
      // Another process of ours may have been faster.
      const known = (await this.#attributes()) ?? {}
      if (missing.some((name) => known[name] === undefined)) return wordsOf(error)
    }
    await this.#untilKnown()
    return null
  }

  /** Waits until the frontend takes them in a query; it does so in a run, too, from then on. */
  async #untilKnown(): Promise<void> {
    const { namespace } = this.settings
    const query = SEARCH_ATTRIBUTES.map((name) => `${name} = 'none'`).join(' OR ')
    for (const untilMs = Date.now() + LEARN_MS; Date.now() < untilMs; await delay(PAUSE_MS)) {
      try {
        await this.#call(() =>
          this.connection.workflowService.listWorkflowExecutions({ namespace, query, pageSize: 1 }),
        )
        return
      } catch (error) {
        if (codeOf(error) !== GRPC.invalidArgument) return
      }
    }
  }

  #missing(missing: readonly string[], refusal: string): PlatformError {
    const { namespace, address } = this.settings
    const names = missing.map((name) => `--name ${name} --type Keyword`).join(' ')
    const command = `temporal operator search-attribute create --address ${address} --namespace ${namespace} ${names}`
    const why = refusal && ` and may not be added from here (${refusal})`
    return this.#unusable(
      `the namespace "${namespace}" lacks the search attributes ${missing.join(', ')}${why}; add them: ${command}`,
    )
  }

  /** Type numbers by name; null where the server does not tell. */
  async #attributes(): Promise<Readonly<Record<string, unknown>> | null> {
    const { namespace } = this.settings
    try {
      const { customAttributes } = await this.#call(() =>
        this.connection.operatorService.listSearchAttributes({ namespace }),
      )
      return customAttributes ?? {}
    } catch (error) {
      const code = codeOf(error)
      if (code === GRPC.permissionDenied || code === GRPC.unimplemented) return null
      throw error
    }
  }

  async explain(error: unknown): Promise<PlatformError> {
    const { address, namespace, apiKey, tls } = this.settings
    const words = wordsOf(error)
    switch (codeOf(error)) {
      case GRPC.unauthenticated:
      case GRPC.permissionDenied: {
        const login = apiKey ? 'the API key' : tls?.client ? 'the client certificate' : 'a call without login'
        const remedy = apiKey || tls?.client ? 'check it, and that it may use' : 'set TEMPORAL_API_KEY for'
        return this.#unusable(
          `the Temporal server at ${address} refuses ${login} (${words}); ${remedy} the namespace "${namespace}"`,
        )
      }
      case GRPC.unavailable:
      case GRPC.deadlineExceeded:
        return explainUnreachable(this.settings, words)
      default:
        return this.#unusable(`the Temporal server at ${address} cannot be used (${words})`)
    }
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    return this.connection.withDeadline(Date.now() + CALL_MS, call)
  }

  #unusable(message: string): PlatformError {
    const { address, namespace } = this.settings
    return new PlatformError('TEMPORAL_UNUSABLE', message, { address, namespace })
  }
}

/** Of gRPC's errors. */
const codeOf = (error: unknown): unknown => (error as { readonly code?: number }).code
const wordsOf = (error: unknown): string => (error as { readonly details?: string }).details || (error as Error).message
