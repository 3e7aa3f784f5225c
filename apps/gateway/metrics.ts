import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Fleet } from './fleet.ts'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** What the gateway tells Prometheus. */
export class GatewayMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  /** Requests that were sent to another replica because the first one was gone. */
  readonly retries: Counter
  private readonly registry = new Registry()
  private readonly requests: Counter<'endpoint' | 'code'>
  private readonly seconds: Histogram<'endpoint'>

  constructor(fleet: Fleet) {
    const registers = [this.registry]
    this.requests = new Counter({
      name: 'gyre_gateway_requests_total',
      help: 'Requests by endpoint and HTTP status; 499: the client went away',
      labelNames: ['endpoint', 'code'],
      registers,
    })
    this.seconds = new Histogram({
      name: 'gyre_gateway_seconds',
      help: 'From the first byte to the answer',
      labelNames: ['endpoint'],
      buckets: SECONDS,
      registers,
    })
    this.retries = new Counter({ name: 'gyre_gateway_retries_total', help: 'Requests sent once more', registers })
    new Gauge({
      name: 'gyre_replicas_ready',
      help: 'Replicas that are loaded and warmed',
      labelNames: ['endpoint', 'revision'],
      registers,
      collect() {
        this.reset()
        for (const endpoint of fleet.names())
          for (const { revision, ready } of fleet.status(endpoint))
            this.set({ endpoint, revision: String(revision) }, ready)
      },
    })
  }

  observe(endpoint: string, status: number, ms: number): void {
    // Unknown names are not kept: anybody could make up any number of them.
    const known = status === 404 ? 'unknown' : endpoint
    this.requests.inc({ endpoint: known, code: String(status) })
    this.seconds.observe({ endpoint: known }, ms / 1000)
  }

  text(): Promise<string> {
    return this.registry.metrics()
  }
}
