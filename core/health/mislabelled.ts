/** Labels that a classifier on embeddings, which has not seen the image, is confident are others. */
import { percent } from '#core/html'
import { loadEmbeddings } from '#core/embedding'
import { selectRows } from '#core/inference'
import type { Embeddings } from '#core/steps'
import { findSuspects, type Suspect, type Suspects } from './confident-learning.ts'
import { listed, type HealthContext, type Images } from './images.ts'
import { imagesAre, MOST_DIGESTS, type Finding } from './report.ts'

/** Fewer teach nothing. */
const LEAST_LABELS = 50
const LEAST_OF_CLASS = 5
const SHOWN_PAIRS = 10
/** Suspects are a matter of results from this share of the images on, where the classifier can be trusted this far. */
const MANY = 0.01
const TRUSTED = 0.8

interface Row {
  readonly digest: string
  readonly group: string
  readonly label: string | null
  readonly excluded: string | null
}

export interface LabelCheck {
  readonly finding: Finding | null
  /** Why labels were not checked; null where they were. */
  readonly left: string | null
}

/**
 * @param embeddings - of the images of this version; rows in ascending order of digest.
 */
export async function mislabelled(ctx: HealthContext, images: Images, embeddings: Embeddings): Promise<LabelCheck> {
  const rows = await images.session.query<Row>(
    'SELECT digest, f."group", "label", excluded FROM facts f JOIN labels USING (digest) ORDER BY digest',
  )
  if (rows.length !== embeddings.images) return left('the embeddings are of other images')
  const classes = learnable(rows)
  const indices = rows.flatMap(({ label, excluded }, row) =>
    label !== null && !excluded && classes.has(label) ? [row] : [],
  )
  if (classes.size < 2 || indices.length < LEAST_LABELS)
    return left(`labels are checked from ${LEAST_LABELS} images and two classes of ${LEAST_OF_CLASS} images on`)
  const names = [...classes].sort()
  const features = selectRows(await loadEmbeddings(ctx.store, embeddings, ctx.scratchDir), indices)
  ctx.progress({ done: 0, total: indices.length, unit: 'images', note: 'holding labels against embeddings' })
  const found = await findSuspects(
    {
      features,
      labels: Int32Array.from(indices, (row) => names.indexOf(rows[row]!.label!)),
      groups: indices.map((row) => rows[row]!.group),
      classes: names.length,
    },
    { signal: ctx.signal },
  )
  const digests = found.suspects.map(({ row }) => rows[indices[row]!]!.digest)
  return { finding: await findingOf(ctx, images, found, { digests, names }), left: null }
}

function left(reason: string): LabelCheck {
  return { finding: null, left: `Labels were not checked: ${reason}.` }
}

/** Classes with enough images to be told from others. */
function learnable(rows: readonly Row[]): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { label, excluded } of rows)
    if (label !== null && !excluded) counts.set(label, (counts.get(label) ?? 0) + 1)
  return new Set([...counts].filter(([, images]) => images >= LEAST_OF_CLASS).map(([label]) => label))
}

async function findingOf(
  ctx: HealthContext,
  { images }: Images,
  { suspects, agreement }: Suspects,
  { digests, names }: { readonly digests: readonly string[]; readonly names: readonly string[] },
): Promise<Finding | null> {
  if (suspects.length === 0) return null
  return {
    kind: 'mislabelled',
    title: `${imagesAre(suspects.length)} probably labelled wrong`,
    severity: suspects.length / images >= MANY && agreement >= TRUSTED ? 'bad' : 'attention',
    where: null,
    advice: `Send them to people once more, and change none unseen: a classifier on these embeddings agrees with ${percent(agreement)} of all labels, and the fewer, the more of these are right after all.`,
    details: { columns: ['label given', 'looks like', 'images'], rows: pairsOf(suspects, names) },
    ...(await listed(ctx, digests, { found: suspects.length, images, where: null })),
    captions: suspects
      .slice(0, MOST_DIGESTS)
      .map(({ given, likely }) => `${names[given]!}; looks like ${names[likely]!}`),
  }
}

/** How often which label looks like which other, the most frequent first. */
function pairsOf(suspects: readonly Suspect[], names: readonly string[]): (string | number)[][] {
  const counts = new Map<string, { given: number; likely: number; images: number }>()
  for (const { given, likely } of suspects) {
    const key = `${given}/${likely}`
    counts.set(key, { given, likely, images: (counts.get(key)?.images ?? 0) + 1 })
  }
  return [...counts.values()]
    .sort((a, b) => b.images - a.images || a.given - b.given || a.likely - b.likely)
    .slice(0, SHOWN_PAIRS)
    .map(({ given, likely, images }) => [names[given]!, names[likely]!, images])
}
