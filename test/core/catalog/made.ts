/** Versions of made-up images: rows alone, without bytes. */
import { createHash } from 'node:crypto'
import { commitChange, type Box, type ImageLabel, type StoredFacts } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'

export const digestOf = (name: string): string => createHash('sha256').update(name).digest('hex')

export type Made = Partial<StoredFacts> & Partial<ImageLabel> & { readonly boxes?: readonly string[] }

/** The image `name`, with what matters to a test. */
export function madeFacts(name: string, made: Made = {}): StoredFacts {
  const digest = digestOf(name)
  return {
    ...{ digest, pack: digestOf('pack'), offset: 512, sizeBytes: 1_000, width: 32, height: 32, format: 'png' },
    ...{ group: digest, source: `${name}.png`, look: '0'.repeat(16), uri: null, etag: null, camera: null },
    ...{ brightness: 0.5, contrast: 0.2, blur: null, entropy: 6, colour: 0.1, takenAt: null },
    ...only(made, FACTS),
  }
}

export function madeLabel(name: string, made: Made = {}): ImageLabel {
  return {
    ...{ digest: digestOf(name), split: 'train', label: null, tags: null, attributes: null, origin: null },
    ...{ humanSeen: false, randomDraw: false, excluded: null },
    ...only(made, LABELS),
  }
}

/** @param images - name → what matters of it. */
export async function madeVersion(
  store: ObjectStore,
  dataset: string,
  images: Readonly<Record<string, Made>>,
): Promise<DatasetVersion> {
  const entries = Object.entries(images)
  const box = (kind: string, number: number): Omit<Box, 'digest'> => ({
    ...{ number, class: kind, x: 1, y: 1, width: 4, height: 4, attributes: null, origin: 'imported' },
  })
  const made = await commitChange(
    store,
    { dataset, version: null },
    {
      facts: entries.map(([name, image]) => madeFacts(name, image)),
      labels: entries.map(([name, image]) => madeLabel(name, image)),
      boxes: new Map(entries.map(([name, { boxes = [] }]) => [digestOf(name), boxes.map(box)])),
      rules: { heldOutShare: 0.2, seed: 7, threshold: 0.98 },
    },
    { by: 'ada', note: 'made up' },
  )
  return made.version
}

const FACTS = ['width', 'height', 'sizeBytes', 'source', 'group', 'format', 'blur', 'brightness', 'camera'] as const
const LABELS = ['split', 'label', 'tags', 'attributes', 'origin', 'humanSeen', 'randomDraw', 'excluded'] as const

function only<K extends keyof Made>(made: Made, names: readonly K[]): Pick<Required<Made>, K> {
  return Object.fromEntries(names.filter((name) => name in made).map((name) => [name, made[name]])) as Pick<
    Required<Made>,
    K
  >
}
