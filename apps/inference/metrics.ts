import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const IMAGES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

/** What a replica tells Prometheus. */
export class ReplicaMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  private readonly registry = new Registry()
  private readonly requests: Counter<'code'>
  private readonly requestSeconds: Histogram
  private readonly queueSeconds: Histogram
  private readonly runSeconds: Histogram
  private readonly batchImages: Histogram

  /** @param waiting - requests in the queue now. @param labels - put on every metric: endpoint, revision. */
  constructor(labels: Readonly<Record<string, string>>, waiting: () => number) {
    const registers = [this.registry]
    this.registry.setDefaultLabels(labels)
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name, help, buckets, registers })
    this.requests = new Counter({
      name: 'gyre_infer_requests_total',
      help: 'Infer calls by HTTP status',
      labelNames: ['code'],
      registers,
    })
    this.requestSeconds = histogram('gyre_infer_seconds', 'From the first byte to the answer', SECONDS)
    this.queueSeconds = histogram('gyre_infer_queue_seconds', 'Wait for a model thread', SECONDS)
    this.runSeconds = histogram('gyre_infer_run_seconds', 'Decoding and model of the whole batch', SECONDS)
    this.batchImages = histogram('gyre_infer_batch_images', 'Images that ran together', IMAGES)
    new Gauge({
      name: 'gyre_infer_waiting',
      help: 'Requests in the queue',
      registers,
      collect() {
        this.set(waiting())
      },
    })
  }

  observeRequest(status: number, ms: number): void {
    this.requests.inc({ code: String(status) })
    this.requestSeconds.observe(ms / 1000)
  }

  observeBatchShare({ queueMs, runMs, batchImages }: { queueMs: number; runMs: number; batchImages: number }): void {
    this.queueSeconds.observe(queueMs / 1000)
    this.runSeconds.observe(runMs / 1000)
    this.batchImages.observe(batchImages)
  }

  text(): Promise<string> {
    return this.registry.metrics()
  }
}
