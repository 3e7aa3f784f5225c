/** What the demo reports at its end: one object for scripts, a short block for people. */
import type { z } from 'zod'
import pc from 'picocolors'
import { PlatformError } from '#core/errors'
import type { RunReport } from '#core/runs'
import * as steps from '#core/steps'
import type { StepDefinition } from '#core/steps'
import type { ApiClient } from './api-client.ts'
import type { ClusterCounts } from './cluster-census.ts'
import { duration } from './words.ts'

export type DemoReport = Awaited<ReturnType<typeof demoReport>>

interface Timing {
  /** Milliseconds of the whole command. */
  readonly totalMs: number
  /** What came before the run: starting the stack, rendering. */
  readonly before: Readonly<Record<string, number>>
}

interface DemoFacts {
  readonly oracle: Readonly<Record<string, string>>
  readonly timing: Timing
  /** Null on one machine. */
  readonly cluster: ClusterCounts | null
}

/**
 * @param oracle - true class by image digest.
 * @throws {PlatformError} `RUN_NOT_COMPLETED` when a step of the loop gave no output.
 */
export async function demoReport(api: ApiClient, run: RunReport, { oracle, timing, cluster }: DemoFacts) {
  const imported = outputOf(run, steps.importImages)
  const annotated = outputOf(run, steps.annotate)
  const trained = outputOf(run, steps.trainClassifier)
  const evaluation = outputOf(run, steps.evaluate)
  const model = outputOf(run, steps.registerModel)
  const endpoint = outputOf(run, steps.deployEndpoint)
  const proof = outputOf(run, steps.proveEndpoint)
  const { certificate, stats, version } = annotated
  return {
    images: imported.images,
    classes: trained.classes.length,
    dataset: { name: version.dataset, version: version.version },
    labelling: {
      ...stats,
      accuracy: await labelAccuracy(api, version, oracle),
      certified: certificate && { atLeast: certificate.atLeast, confidence: certificate.confidence },
    },
    model: { name: model.name, version: model.version, digest: model.digest, trainer: trained.trainer },
    evaluation: {
      images: evaluation.images,
      humanSeen: evaluation.humanSeen,
      accuracy: evaluation.accuracy,
      interval: evaluation.interval,
      perClass: evaluation.perClass,
    },
    endpoint: { name: endpoint.name, url: inferUrl(endpoint), ...proof },
    run: { id: run.id, status: run.status, temporalUrl: run.temporalUrl },
    ...(cluster && { cluster }),
    seconds: { total: timing.totalMs / 1000, byStep: { ...inSeconds(timing.before), ...secondsByStep(run) } },
  }
}

function outputOf<S extends StepDefinition>(run: RunReport, definition: S): z.output<S['output']> {
  const step = run.steps.find((candidate) => candidate.step === definition.name)
  if (!step || step.status !== 'completed') {
    const why = step ? `is ${step.status}${step.reason ? ` (${step.reason})` : ''}` : 'is not part of the run'
    throw new PlatformError('RUN_NOT_COMPLETED', `the step ${definition.name} of ${run.id} ${why}`, { run: run.id })
  }
  return definition.output.parse(step.outputs) as z.output<S['output']>
}

function inferUrl({ url, name }: { url: string; name: string }): string {
  return `${url.replace(/\/$/, '')}/v2/models/${name}/infer`
}

interface LabelPage {
  readonly images: readonly { readonly digest: string; readonly label: string | null }[]
  readonly next: string | null
}

/** The true share of right labels over all images that received one; null where the oracle knows none of them. */
async function labelAccuracy(
  api: ApiClient,
  { dataset, version }: { dataset: string; version: string },
  oracle: Readonly<Record<string, string>>,
): Promise<number | null> {
  let known = 0
  let right = 0
  let cursor: string | null = ''
  while (cursor !== null) {
    const query = new URLSearchParams({ ref: version, limit: '500', ...(cursor ? { cursor } : {}) })
    const page: LabelPage = await api.get<LabelPage>(`/api/datasets/${dataset}/images?${query}`)
    for (const { digest, label } of page.images) {
      const truth = oracle[digest]
      if (label === null || truth === undefined) continue
      known += 1
      if (label === truth) right += 1
    }
    cursor = page.next
  }
  return known === 0 ? null : right / known
}

function inSeconds(ms: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(ms).map(([name, value]) => [name, value / 1000]))
}

function secondsByStep({ steps: reports }: RunReport): Record<string, number> {
  return Object.fromEntries(
    reports.flatMap(({ id, startedAt, endedAt }) =>
      startedAt && endedAt ? [[id, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000]] : [],
    ),
  )
}

/** Where things are, and what to try next. */
export function demoText(
  report: DemoReport,
  places: { reportFile: string; pictures: string; example: string; login: string; stays: boolean },
): string {
  const type = /\.png$/i.test(places.example) ? 'image/png' : 'image/jpeg'
  return [
    '',
    `${pc.bold(`Done in ${duration(report.seconds.total * 1000)}`)}   report ${places.reportFile}   pictures ${places.pictures}`,
    `Try    curl -H 'content-type: ${type}' --data-binary @${places.example} ${report.endpoint.url}`,
    ...(report.run.temporalUrl ? [`Watch  ${report.run.temporalUrl}`] : []),
    ...(places.stays ? [`Look   ${places.login}   (logs you in once)`] : []),
    `Label yourself   ./gyre demo --annotator web`,
    ...(places.stays ? ['Ctrl-C stops everything.'] : []),
  ].join('\n')
}
