/**
 * Facts of a file that give its class away: where every image of one camera is of one class, a model may learn the
 * camera. Held to what it predicts: the class that is most frequent for each value among one half of the images is held
 * against the other half, so that chance does not pass for a leak.
 */
import { percent } from '#core/html'
import { listImages, type HealthContext, type Images } from './images.ts'
import { literal, type Finding } from './report.ts'

interface Trait {
  readonly name: string
  /** SQL over the table `images`, giving a text. */
  readonly of: string
  /** A condition of a query for one value. */
  readonly where: (value: string) => string
}

const TRAITS: readonly Trait[] = [
  { name: 'camera', of: 'camera', where: (value) => `camera = ${literal(value)}` },
  {
    name: 'size',
    of: `width || ' × ' || height`,
    where: (value) => `(width = ${value.split(' × ')[0]} and height = ${value.split(' × ')[1]})`,
  },
  { name: 'format', of: 'format', where: (value) => `format = ${literal(value)}` },
  { name: 'day', of: `left("takenAt", 10)`, where: (value) => `takenAt like ${literal(`${value}%`)}` },
]

/** A value tells something from this many images on. */
const LEAST_IMAGES = 10
/** By how much better than always saying the most frequent class, in share of images, and in standard errors. */
const LEAST_GAIN = 0.05
const SURE = 4
/** A value gives its class away where this share of its images are of one class. */
const TELLING = 0.9
const SHOWN_VALUES = 20

export async function metadataFindings(ctx: HealthContext, images: Images): Promise<Finding[]> {
  const findings: (Finding | null)[] = []
  for (const trait of TRAITS) findings.push(await leakOf(ctx, images, trait))
  return findings.filter((finding) => finding !== null)
}

async function leakOf(ctx: HealthContext, images: Images, trait: Trait): Promise<Finding | null> {
  const { right, base, judged } = await predicted(images, trait)
  const gain = right - base
  if (judged === 0 || gain < LEAST_GAIN || gain < SURE * Math.sqrt((base * (1 - base)) / judged)) return null
  const values = await tellingValues(images, trait)
  if (values.length === 0) return null
  const which = values.map(({ value }) => trait.where(value)).join(' or ')
  const where = `excluded is null and label is not null and (${which})`
  const condition = `"label" IS NOT NULL AND ${trait.of} IN (${values.map(({ value }) => literal(value)).join(', ')})`
  const list = await listImages(ctx, images, condition, { worst: 'digest', where })
  const [first] = values
  return {
    kind: 'leaking-metadata',
    title: `The ${trait.name} gives the class away: by it alone ${percent(right)} of the labels can be told, ${percent(base)} without it (${first!.value} means ${first!.class})`,
    severity: 'bad',
    where,
    advice: `A model may learn the ${trait.name} instead of the thing. Collect every class by every ${trait.name}, and hold out one of them to test on.`,
    details: {
      columns: [trait.name, 'images', 'class', 'share of it', 'share elsewhere'],
      rows: values.map(({ value, images: held, class: name, share, elsewhere }) => [
        value,
        held,
        name,
        share,
        elsewhere,
      ]),
    },
    ...list,
  }
}

interface Predicted {
  readonly judged: number
  /** Shares of right answers with and without the trait. */
  readonly right: number
  readonly base: number
}

/** Each half is judged by what the other one teaches. */
async function predicted({ session }: Images, { of }: Trait): Promise<Predicted> {
  const [row] = await session.query<{ judged: number; hits: number | null; common: number | null }>(`
    WITH rows AS (SELECT ${of} AS value, "label" AS class, ascii(right(digest, 1)) % 2 AS half FROM images WHERE "label" IS NOT NULL),
    counts AS (SELECT value, half, class, count(*) AS n FROM rows WHERE value IS NOT NULL GROUP BY ALL),
    taught AS (SELECT value, half, arg_max(class, n) AS class FROM counts GROUP BY value, half HAVING sum(n) >= ${LEAST_IMAGES} / 2),
    most AS (SELECT half, arg_max(class, n) AS class FROM (SELECT half, class, count(*) AS n FROM rows GROUP BY ALL) GROUP BY half)
    SELECT count(*) AS judged, count_if(coalesce(taught.class, most.class) = rows.class) AS hits, count_if(most.class = rows.class) AS common
    FROM rows JOIN most ON most.half <> rows.half
    LEFT JOIN taught ON taught.value = rows.value AND taught.half <> rows.half`)
  const { judged, hits, common } = row!
  return { judged, right: (hits ?? 0) / Math.max(1, judged), base: (common ?? 0) / Math.max(1, judged) }
}

interface Value {
  readonly value: string
  readonly images: number
  readonly class: string
  /** Of the most frequent class, among images with this value and among all others. */
  readonly share: number
  readonly elsewhere: number
}

function tellingValues({ session }: Images, { of }: Trait): Promise<Value[]> {
  return session.query<Value>(`
    WITH rows AS (SELECT ${of} AS value, "label" AS class FROM images WHERE "label" IS NOT NULL),
    counts AS (SELECT value, class, count(*) AS n FROM rows WHERE value IS NOT NULL GROUP BY ALL),
    tops AS (SELECT value, sum(n)::INTEGER AS images, arg_max(class, n) AS class, max(n) / sum(n) AS share FROM counts GROUP BY value),
    classes AS (SELECT class, count(*) AS n FROM rows GROUP BY class)
    SELECT value, images, class, round(share, 3) AS share,
           round((n - share * images) / greatest(1, (SELECT count(*) FROM rows) - images), 3) AS elsewhere
    FROM tops JOIN classes USING (class)
    WHERE images >= ${LEAST_IMAGES} AND share >= ${TELLING} AND share >= 1.5 * n / (SELECT count(*) FROM rows)
    ORDER BY images DESC, value LIMIT ${SHOWN_VALUES}`)
}
