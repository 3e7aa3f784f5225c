/** Rows of datasets without images, for tests of versions: what a model of plain objects holds, and a commit takes. */
import { createHash } from 'node:crypto'
import {
  commitChange,
  openVersion,
  type Box,
  type Change,
  type Committed,
  type ImageLabel,
  type LabelSchema,
  type StoredFacts,
} from '#core/datasets'
import { canonicalJson, type ObjectStore } from '#core/storage'

export const rules = { heldOutShare: 0.2, seed: 7, threshold: 0.98 }

export function digestOf(name: string | number): string {
  return createHash('sha256').update(String(name)).digest('hex')
}

export function factsOf(name: string | number, more: Partial<StoredFacts> = {}): StoredFacts {
  const digest = digestOf(name)
  return {
    digest,
    pack: digestOf('pack'),
    offset: 512,
    sizeBytes: 900,
    width: 32,
    height: 24,
    format: 'png',
    group: digest,
    source: `${name}.png`,
    look: digest.slice(0, 16),
    uri: null,
    etag: null,
    brightness: null,
    contrast: null,
    blur: null,
    entropy: null,
    colour: null,
    camera: null,
    takenAt: null,
    ...more,
  }
}

export function labelOf(name: string | number, more: Partial<ImageLabel> = {}): ImageLabel {
  return {
    digest: digestOf(name),
    split: 'train',
    label: null,
    tags: null,
    attributes: null,
    origin: null,
    humanSeen: false,
    randomDraw: false,
    excluded: null,
    ...more,
  }
}

export type PlainBox = Omit<Box, 'digest' | 'number'>

export function boxOf(name: string, x: number): PlainBox {
  return { class: name, x, y: 1, width: 4.5, height: 3, attributes: null, origin: 'human' }
}

/** All that a version says, as plain objects. */
export interface Model {
  readonly facts: Map<string, StoredFacts>
  readonly labels: Map<string, ImageLabel>
  readonly boxes: Map<string, readonly PlainBox[]>
}

export function emptyModel(): Model {
  return { facts: new Map(), labels: new Map(), boxes: new Map() }
}

export async function modelOf(store: ObjectStore, version: { dataset: string; version: string }): Promise<Model> {
  const reader = await openVersion(store, version)
  const model = emptyModel()
  for (const row of await reader.facts()) model.facts.set(row.digest, row as StoredFacts)
  for (const row of await reader.labels()) model.labels.set(row.digest, row)
  for (const { digest, number: _, ...box } of await reader.boxes())
    model.boxes.set(digest, [...(model.boxes.get(digest) ?? []), box])
  return model
}

/** The whole model as a first version. */
export function commitModel(
  store: ObjectStore,
  dataset: string,
  model: Model,
  schema?: LabelSchema,
): Promise<Committed> {
  const change: Change = {
    facts: model.facts.values(),
    labels: model.labels.values(),
    boxes: model.boxes,
    rules,
    ...(schema ? { schema } : {}),
  }
  return commitChange(store, { dataset, version: null }, change, { by: 'ada', note: '', ref: null })
}

/** The name of a version, computed from the rows by another way: in JavaScript, as versions were named first. */
export function nameOf({ facts, labels, boxes }: Model): string {
  const hash = createHash('sha256')
  for (const digest of [...facts.keys()].sort()) {
    const [fact, label] = [facts.get(digest)!, labels.get(digest)!]
    const more = {
      attributes: label.attributes === null ? undefined : (JSON.parse(label.attributes) as unknown),
      boxes: boxes
        .get(digest)
        ?.map(({ class: name, x, y, width, height, attributes, origin }) => [
          name,
          ...[x, y, width, height],
          attributes === null ? null : (JSON.parse(attributes) as unknown),
          origin,
        ]),
      tags: label.tags ?? undefined,
    }
    const line = [
      ...[digest, fact.width, fact.height, fact.format, fact.group, label.split, label.label],
      ...[label.origin, label.humanSeen, label.randomDraw, label.excluded],
    ]
    const says = Object.values(more).some((value) => value !== undefined)
    hash.update(`${canonicalJson(says ? [...line, more] : line)}\n`)
  }
  return hash.digest('hex')
}
