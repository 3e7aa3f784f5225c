/** The report of one evaluation: what is stored as JSON, and what the page shows. */

import type { DatasetVersion } from '#core/steps'
import type { Answer, Comparison, Figures } from './measure.ts'

export interface Mistake extends Answer {
  readonly expected: string
  /** Where the image came from, for a person. */
  readonly source: string
}

export interface Report {
  readonly model: { readonly digest: string; readonly trainer: string; readonly classes: readonly string[] }
  readonly dataset: Pick<DatasetVersion, 'dataset' | 'version'>
  /** Held-out images that were answered, labelled or not. */
  readonly images: number
  /** Held-out images that people judged, drawn at random: all figures are over these alone. */
  readonly humanSeen: number
  /** Held-out labels that nobody saw or that were not drawn at random; counted, never used. */
  readonly labelsLeftOut: number
  readonly accuracy: number
  readonly interval: readonly [number, number]
  readonly perClass: Figures['perClass']
  readonly confusion: Figures['confusion']
  readonly calibration: Figures['calibration']
  /** The most confident ones. */
  readonly worst: readonly Mistake[]
  readonly mistakes: number
  readonly minGain: number
  readonly champion: ChampionReport | null
  readonly beatsChampion: boolean
}

export interface ChampionReport extends Omit<Comparison, 'beaten'> {
  /** `name@version`. */
  readonly name: string
  readonly digest: string
}
