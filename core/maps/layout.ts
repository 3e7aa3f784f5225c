/**
 * What the store holds of a map, beneath `runs/<run>/maps/<node>/g<generation>/`:
 *
 *   opened.json              counts, and which attempt's segments hold
 *   a<attempt>/todo/<n>      items to do, 1,000 each: lines {i, k, in}
 *   a<attempt>/known/<n>     results that stood in, 1,000 each: lines {i, k, out}
 *   chunks/<from>            a summary, then lines {i, k, out} or {i, k, error}, in the order of the items to do
 *
 * and of all maps of one step, `cache/items/<step key>/<digest>`: lines {k, out} of one chunk.
 *
 * M1  Everything is create-only, and complete once it exists: a chunk that was done is never done again.
 * M2  A generation holds every result that earlier ones had, as known; closing a map reads that generation alone.
 */

import type { Json } from '#core/plan'
import { digestJson } from '#core/storage'

/** A map node whose turn has come. */
export interface MapWork {
  readonly run: string
  readonly node: string
  /** Of the run. */
  readonly generation: number
  readonly step: string
  readonly codeVersion: string
  /** A JSON array or a table. */
  readonly over: Json
  /** The step's input with `{ $ref: '$item' }` in place of the item. */
  readonly template: Json
  readonly cache: boolean
  readonly salt?: string
  /** Inputs that results do not depend on. */
  readonly ignore?: readonly string[]
}

export interface MapItem {
  /** Among the items of the map, from 0. */
  readonly index: number
  readonly input: Json
}

export interface TodoLine {
  readonly i: number
  readonly k: string
  readonly in: Json
}

export interface ResultLine {
  readonly i: number
  readonly k: string
  readonly out?: Json
  readonly error?: { readonly code: string; readonly message: string }
}

export const SEGMENT_ITEMS = 1_000

const padded = (value: number, digits: number): string => String(value).padStart(digits, '0')

export const mapFolder = ({ run, node }: Pick<MapWork, 'run' | 'node'>): string => `runs/${run}/maps/${node}/`
export const generationFolder = (work: MapWork): string => `${mapFolder(work)}g${padded(work.generation, 4)}/`
export const segmentKey = (folder: string, kind: 'todo' | 'known', segment: number): string =>
  `${folder}${kind}/${padded(segment, 6)}`
export const chunkKey = (work: MapWork, from: number): string => `${generationFolder(work)}chunks/${padded(from, 9)}`
export const chunkFolder = (work: MapWork): string => `${generationFolder(work)}chunks/`
export const itemCacheFolder = ({ step, codeVersion, salt }: MapWork): string =>
  `cache/items/${digestJson({ step, codeVersion, ...(salt === undefined ? {} : { salt }) })}/`

/** Equal inputs have equal keys, wherever they stand among the items. */
export function itemKey({ ignore = [] }: MapWork, input: Json): string {
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
  const keyed =
    isObject && ignore.length > 0
      ? Object.fromEntries(Object.entries(input).filter(([name]) => !ignore.includes(name)))
      : input
  return digestJson(keyed).slice(0, 32)
}
