/** Classes that have too few images to be learnt or judged. */
import { listImages, type HealthContext, type Images } from './images.ts'
import { literal, type Finding } from './report.ts'

/** A class is rare below this share of what each had if all had equally many. */
const RARE = 0.1

interface ClassCount {
  readonly class: string
  readonly train: number
  readonly test: number
}

export async function classFindings(ctx: HealthContext, images: Images): Promise<Finding[]> {
  const classes = await images.session.query<ClassCount>(
    `SELECT "label" AS class, count_if(split = 'train') AS train, count_if(split = 'test') AS test
     FROM images WHERE "label" IS NOT NULL GROUP BY "label" ORDER BY count(*), "label"`,
  )
  if (classes.length < 2) return []
  const even = images.labelled / classes.length
  const rare = classes.filter(({ train, test }) => train + test < RARE * even)
  const untested = classes.filter(({ train, test }) => train === 0 || test === 0)
  return [
    ...(rare.length > 0 ? [await imbalance(ctx, images, rare, even)] : []),
    ...(untested.length > 0 ? [await missing(ctx, images, untested)] : []),
  ]
}

async function imbalance(
  ctx: HealthContext,
  images: Images,
  rare: readonly ClassCount[],
  even: number,
): Promise<Finding> {
  const [least] = rare
  return {
    kind: 'imbalance',
    title: `${named(rare.length)} much rarer than the others: ${least!.class} has ${least!.train + least!.test}, ${Math.round(even).toLocaleString('en-US')} would be even`,
    severity: 'attention',
    advice: 'Collect more of them; accuracy as a whole says little about such a class.',
    ...(await ofClasses(ctx, images, rare)),
  }
}

async function missing(ctx: HealthContext, images: Images, untested: readonly ClassCount[]): Promise<Finding> {
  return {
    kind: 'untested-class',
    title: `${named(untested.length)} without an image in one of the splits`,
    severity: 'attention',
    advice: 'No model learns such a class, or none is judged on it; collect more of them.',
    ...(await ofClasses(ctx, images, untested)),
  }
}

const named = (classes: number): string => (classes === 1 ? '1 class is' : `${classes} classes are`)

async function ofClasses(ctx: HealthContext, images: Images, classes: readonly ClassCount[]) {
  const condition = `"label" IN (${classes.map((row) => literal(row.class)).join(', ')})`
  const where = `excluded is null and label in (${classes.map((row) => literal(row.class)).join(', ')})`
  const rows = classes.map(({ class: name, train, test }) => [name, train, test])
  return {
    where,
    details: { columns: ['class', 'train', 'held out'], rows },
    ...(await listImages(ctx, images, condition, { worst: '"label"', where })),
  }
}
