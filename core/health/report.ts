/** What a health check says of one version of a dataset: findings, each with the images it speaks of and what to do. */
import { z } from 'zod'
import { artifacts } from '#core/steps'

export const findingKinds = [
  'rejected',
  'schema',
  'mislabelled',
  'leaking-metadata',
  'drift',
  'imbalance',
  'untested-class',
  'dark',
  'bright',
  'blurry',
  'low-contrast',
  'low-information',
  'odd-size',
  'odd-aspect',
  'grey',
] as const
export type FindingKind = (typeof findingKinds)[number]

/** Rows for people: what a finding is made of. */
const details = z.object({
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
})
export type Details = z.infer<typeof details>

export const finding = z.object({
  kind: z.enum(findingKinds),
  /** One sentence that stands alone: "38 images are blurry". */
  title: z.string(),
  images: z.int().nonnegative(),
  /** Of the images that take part, 0–1. */
  share: z.number(),
  /** `bad`: results are wrong while it stands. `attention`: look at it. `note`: good to know. */
  severity: z.enum(['bad', 'attention', 'note']),
  /** The images as a condition for `gyre dataset query`; null where no condition says it. */
  where: z.string().nullable(),
  /** At most 200, the worst first. */
  digests: z.array(artifacts.sha256),
  /** What to say under the picture of each of `digests`; null where the title says it. */
  captions: z.array(z.string()).nullable(),
  /** One digest a line, all of them in the same order; null where `digests` or `where` are all of them. */
  list: artifacts.blobRef.nullable(),
  advice: z.string(),
  details: details.nullable(),
})
export type Finding = z.infer<typeof finding>

export const healthReport = z.object({
  schema: z.literal(1),
  dataset: artifacts.objectName,
  version: artifacts.sha256,
  /** The version that was compared with; null where none was. */
  against: artifacts.sha256.nullable(),
  images: z.int(),
  /** Images that are excluded take no part. */
  excluded: z.int(),
  labelled: z.int(),
  /** Whether labels were held against embeddings. */
  labelsChecked: z.boolean(),
  /** The worst first. */
  findings: z.array(finding),
  /** What so many images share that it is the nature of the set, and what could not be checked. */
  notes: z.array(z.string()),
})
export type HealthReport = z.infer<typeof healthReport>

export const MOST_DIGESTS = 200

const RANK = { bad: 0, attention: 1, note: 2 } as const

/** The worst first, then by the order of kinds. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  const rank = ({ severity, kind }: Finding): number => RANK[severity] * 100 + findingKinds.indexOf(kind)
  return [...findings].sort((a, b) => rank(a) - rank(b) || b.images - a.images)
}

/** `1 image is`, `2,400 images are`. */
export function imagesAre(count: number): string {
  return count === 1 ? '1 image is' : `${count.toLocaleString('en-US')} images are`
}

/** A text as DuckDB and conditions of queries write it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
