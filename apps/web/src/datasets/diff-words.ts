/** What tells two versions apart, in words. */
import { count, counted } from '../parts/format.ts'
import type { DifferenceKind, VersionDiff } from './types.ts'

/** Each kind of difference: its word where it stands alone, and its word behind a number. */
export const KINDS: readonly (readonly [kind: DifferenceKind, title: string])[] = [
  ['added', 'added'],
  ['removed', 'removed'],
  ['relabelled', 'relabelled'],
  ['excluded', 'left out'],
  ['included', 'taken back in'],
  ['resplit', 'moved between splits'],
  ['tagged', 'tagged otherwise'],
  ['described', 'with other attributes'],
  ['boxed', 'with other boxes'],
  ['judged', 'judged by others'],
  ['regrouped', 'in other near-duplicate groups'],
]

export function imagesOf(diff: VersionDiff, kind: DifferenceKind): number {
  if (kind === 'relabelled') return diff.relabelled.reduce((sum, { images }) => sum + images, 0)
  return kind === 'boxed' ? diff.boxes : diff[kind]
}

/** `+1,204 images, 31 relabelled, 5 left out`; `nothing` where the two are alike. */
export function changesText(diff: VersionDiff): string {
  const parts = KINDS.flatMap(([kind, title]) => {
    const images = imagesOf(diff, kind)
    if (!images) return []
    if (kind === 'added') return [`+${counted(images, 'image')}`]
    return kind === 'removed' ? [`−${counted(images, 'image')}`] : [`${count(images)} ${title}`]
  })
  if (diff.schema) parts.push('another label schema')
  return parts.join(', ') || 'nothing'
}
