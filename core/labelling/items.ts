/** What a certificate counts: one label an image, or, where an image may show several classes, one answer per class. */

import type { ImageLabel } from '#core/datasets'
import type { CertificateReport } from './certificate.ts'
import { NO, pairLabel, pairName, YES } from './pairs.ts'

type Row = Pick<ImageLabel, 'digest' | 'label' | 'origin' | 'excluded'> & { readonly tags?: readonly string[] | null }

/** Name and label of all that is labelled among some rows: digest and class, or pair and verdict. */
export function itemsOf(
  rows: Iterable<Row>,
  { task, classes = [], apart = [] }: Pick<CertificateReport, 'task' | 'classes' | 'apart'>,
): Map<string, string> {
  const items = new Map<string, string>()
  for (const row of rows) {
    if (row.excluded !== null) continue
    if (task !== 'multi') {
      if (row.label !== null) items.set(row.digest, row.label)
    } else if (row.origin !== null) {
      const shows = new Set(row.tags)
      for (const name of classes) items.set(pairName(row.digest, name), pairLabel(name, shows.has(name) ? YES : NO))
    }
  }
  for (const name of apart) items.delete(name)
  return items
}
