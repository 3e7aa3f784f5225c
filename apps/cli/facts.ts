/** What a finished step says of itself in a few words: the counts that a person wants to see. */
import { z } from 'zod'
import type { StepReport } from '#core/runs'
import * as steps from '#core/steps'
import { count, counted, duration, percent, shortDigest } from './words.ts'

export interface Facts {
  readonly text: string
  /** Said after the time where the line has room, else on a line of its own. */
  readonly aside?: string
}

type Teller = (outputs: unknown) => Facts | null

/** Outputs that do not fit the schema (of another version of Gyre) are passed over in silence. */
function teller<S extends z.ZodType>(output: S, tell: (outputs: z.output<S>) => string | Facts): Teller {
  return (outputs) => {
    const parsed = output.safeParse(outputs)
    if (!parsed.success) return null
    const told = tell(parsed.data)
    return typeof told === 'string' ? { text: told } : told
  }
}

const TELLERS: Readonly<Record<string, Teller>> = {
  'render-surfaces': teller(
    z.object({ images: z.int(), classes: z.int() }),
    ({ images, classes }) => `${counted(images, 'image')}, ${counted(classes, 'class', 'classes')}`,
  ),
  'import-images': teller(steps.importImages.output, ({ images, duplicates, nearDuplicates, rejected }) =>
    [
      counted(images, 'image'),
      ...(nearDuplicates ? [`${counted(nearDuplicates, 'near-duplicate')} grouped`] : []),
      ...(duplicates ? [counted(duplicates, 'duplicate')] : []),
      ...(rejected ? [`${count(rejected)} rejected`] : []),
    ].join(', '),
  ),
  'export-dataset': teller(
    steps.exportDataset.output,
    ({ images, format }) => `${counted(images, 'image')} as ${format}`,
  ),
  'import-annotations': teller(
    steps.importAnnotations.output,
    ({ labelled, predicted }) =>
      `${counted(labelled, 'image')} labelled${predicted > 0 ? `, ${count(predicted)} predicted` : ''}`,
  ),
  'snapshot-dataset': teller(steps.snapshotDataset.output, ({ images }) => counted(images, 'image')),
  'collect-captured': teller(
    steps.collectCaptured.output,
    ({ images, added }) => `${counted(images, 'image')}, ${count(added)} captured`,
  ),
  'select-images': teller(steps.selectImages.output, ({ images, where }) => `${counted(images, 'image')}: ${where}`),
  'check-health': teller(steps.checkHealth.output, ({ findings, severe }) =>
    findings === 0
      ? 'nothing found'
      : `${counted(findings, 'finding')}${severe > 0 ? `, ${count(severe)} severe` : ''}`,
  ),
  'check-drift': teller(
    steps.checkDrift.output,
    ({ images, reported }) => `${counted(images, 'captured image')}: ${reported ?? 'nothing to report'}`,
  ),
  'embed-images': teller(steps.embedImages.output, ({ images, dims }) => `${count(images)} × ${count(dims)}`),
  'train-embedder': teller(
    steps.trainEmbedder.output,
    ({ name, dims }) => `${name}, ${counted(dims, 'number')} an image`,
  ),
  'cluster-embeddings': teller(steps.clusterEmbeddings.output, ({ k }) => counted(k, 'cluster')),
  'index-neighbours': teller(steps.indexNeighbours.output, ({ images }) => `a map of ${counted(images, 'image')}`),
  annotate: teller(steps.annotate.output, ({ stats, certificate }) => ({
    text: [
      counted(stats.screens, 'screen'),
      counted(stats.misfits, 'misfit'),
      certificate ? `certified ≥ ${percent(certificate.atLeast)}` : 'not certified',
    ].join(', '),
    aside: `a person: ${duration(stats.humanSeconds * 1000)}; one by one: ${duration(stats.humanSeconds * stats.speedUp * 1000)} (×${stats.speedUp.toFixed(1)})`,
  })),
  'train-classifier': teller(
    steps.trainClassifier.output,
    ({ trainer, classes }) => `${trainer}, ${counted(classes.length, 'class', 'classes')}`,
  ),
  evaluate: teller(steps.evaluate.output, ({ accuracy, interval, humanSeen }) => {
    const [low, high] = interval.map((bound) => (bound * 100).toFixed(1))
    return `${percent(accuracy)} (${low}–${high}), ${count(humanSeen)} human-seen held-out images`
  }),
  approve: teller(steps.approve.output, ({ by, why }) => `approved by ${by}${why ? `: ${why}` : ''}`),
  'register-model': teller(
    steps.registerModel.output,
    ({ name, version, digest }) => `${name} v${version}   ${shortDigest(digest)}`,
  ),
  'deploy-endpoint': teller(steps.deployEndpoint.output, ({ revision }) => `revision ${revision}, warmed`),
  'remove-endpoint': teller(steps.removeEndpoint.output, ({ name }) => `nothing of ${name} runs any more`),
  'prove-endpoint': teller(steps.proveEndpoint.output, ({ checked, agree, accuracy }) => {
    const agreement = agree === 1 ? 'all agree' : `${percent(agree)} agree`
    return `${counted(checked, 'image')} through the endpoint: ${agreement}${accuracy === null ? '' : `, ${percent(accuracy)} right`}`
  }),
}

export function factsOf({ step, outputs, origin }: StepReport): Facts {
  const told = TELLERS[step]?.(outputs) ?? { text: '' }
  const whence = origin === 'hit' ? 'same as before' : origin === 'recovered' ? 'kept' : ''
  return { ...told, text: [told.text, whence].filter(Boolean).join(', ') }
}
