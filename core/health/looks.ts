/**
 * Images that look unlike what a set should hold: dark, bright, blurry, empty, of an odd size or shape, grey among
 * coloured ones. Each kind is one number made of measures and a limit for it.
 *
 * The limit is absolute, as long as less than a tenth of the images lie beyond it. What more of them share is the
 * nature of the set (digits on black, microscopy): then, and for what is odd only among its kind, a limit is taken from
 * the set itself, beyond its quartiles by a multiple of their distance (Tukey, "Exploratory Data Analysis", 1977).
 */
import { count, percent } from '#core/html'
import { listImages, type HealthContext, type Images } from './images.ts'
import { imagesAre, type Finding, type FindingKind } from './report.ts'

/** Beyond this share of the images, what lies past the absolute limit is the nature of the set. */
const NATURE = 0.1
/** How many distances of the quartiles away from them an image is odd in its set. */
const REACH = 2.5
/** Below it nothing is to be seen, and so no colour is missing. */
const LOW_CONTRAST = 0.03

interface Look {
  readonly kind: FindingKind
  /** An expression over columns that people may query. */
  readonly of: string
  readonly side: 'below' | 'above'
  /** Beyond this, whatever the others are like. */
  readonly always: number
  /** Never flagged on this side of it, however odd. */
  readonly mild: number
  readonly is: string
  readonly advice: string
}

const LOOKS: readonly Look[] = [
  {
    kind: 'dark',
    of: 'brightness + 2 * contrast',
    side: 'below',
    always: 0.3,
    mild: 0.4,
    is: 'dark even where they are lightest',
    advice: 'Exclude them, or keep them if the camera will see such scenes.',
  },
  {
    kind: 'bright',
    of: 'brightness - 2 * contrast',
    side: 'above',
    always: 0.75,
    mild: 0.65,
    is: 'bright even where they are darkest',
    advice: 'Exclude them, or mend the exposure of the camera.',
  },
  {
    kind: 'blurry',
    of: 'blur',
    side: 'above',
    always: 0.75,
    mild: 0.4,
    is: 'blurry',
    advice: 'Exclude them unless the service must recognise such images.',
  },
  {
    kind: 'low-contrast',
    of: 'contrast',
    side: 'below',
    always: LOW_CONTRAST,
    mild: LOW_CONTRAST,
    is: 'nearly of one shade',
    advice: 'Nothing can be recognised in them: exclude them.',
  },
  {
    kind: 'low-information',
    of: 'entropy',
    side: 'below',
    always: 1.5,
    mild: 3,
    is: 'nearly empty: few grey levels, most pixels alike',
    advice: 'Look whether they show anything; exclude those that do not.',
  },
]

/** Images of a set count as grey below this mean chroma, and the set as coloured where half of it is above the next. */
const GREY = 0.01
const COLOURED = 0.04
/** Area and shape are odd only where they differ from the median by these factors at least. */
const SIZE_FACTOR = 4
const ASPECT_FACTOR = 1.8

export interface LookFindings {
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
}

export async function lookFindings(ctx: HealthContext, images: Images): Promise<LookFindings> {
  const findings: (Finding | null)[] = []
  const notes: string[] = []
  for (const look of LOOKS) {
    const { limit, natural } = await limitOf(images, look)
    if (natural !== null) notes.push(`${percent(natural)} of the images are ${look.is}: that is the nature of the set.`)
    const sign = look.side === 'below' ? '<' : '>'
    const condition = `${look.of} ${sign} ${shown(limit)}`
    findings.push(
      await found(ctx, images, { ...look, condition, worst: look.side === 'below' ? look.of : `-(${look.of})` }),
    )
  }
  findings.push(await greyAmongColoured(ctx, images))
  for (const odd of [await oddSize(ctx, images), await oddAspect(ctx, images)])
    if (odd && odd.share >= NATURE)
      notes.push(`${percent(odd.share)} of the images are ${ODD[odd.kind]}: that is the nature of the set.`)
    else findings.push(odd)
  return { findings: findings.filter((finding) => finding !== null), notes }
}

const ODD: Partial<Record<FindingKind, string>> = {
  'odd-size': 'much smaller or larger than the rest',
  'odd-aspect': 'of another shape than the rest',
}

/** Limits are told to people and written into conditions with three digits. */
const shown = (limit: number): number => Number(limit.toPrecision(3))

async function limitOf(
  { session, images }: Images,
  { of, side, always, mild }: Look,
): Promise<{ readonly limit: number; readonly natural: number | null }> {
  const sign = side === 'below' ? '<' : '>'
  const [row] = await session.query<{ beyond: number; low: number | null; high: number | null }>(
    `SELECT count_if(${of} ${sign} ${always}) AS beyond, quantile_cont(${of}, 0.25) AS low, quantile_cont(${of}, 0.75) AS high FROM images`,
  )
  const { beyond, low, high } = row!
  if (low === null || high === null) return { limit: always, natural: null }
  const limit = tightened({ side, always, mild, low, high })
  const share = beyond / images
  if (share < NATURE)
    return { limit: side === 'below' ? Math.max(always, limit) : Math.min(always, limit), natural: null }
  return { limit, natural: share }
}

/** The limit that the set itself gives. */
function tightened({
  side,
  mild,
  low,
  high,
}: Pick<Look, 'side' | 'mild' | 'always'> & { low: number; high: number }): number {
  const reach = REACH * (high - low)
  return side === 'below' ? Math.min(mild, low - reach) : Math.max(mild, high + reach)
}

interface Found extends Pick<Look, 'kind' | 'is' | 'advice'> {
  readonly condition: string
  readonly worst: string
}

async function found(
  ctx: HealthContext,
  images: Images,
  { kind, is, advice, condition, worst }: Found,
): Promise<Finding | null> {
  const isKept = images.measuresKept || kind === 'odd-size' || kind === 'odd-aspect'
  const where = isKept ? `excluded is null and (${condition})` : null
  const list = await listImages(ctx, images, condition, { worst, where })
  if (list.images === 0) return null
  const title = `${imagesAre(list.images)} ${is}`
  return { kind, title, severity: 'attention', where, advice, details: null, ...list }
}

async function greyAmongColoured(ctx: HealthContext, images: Images): Promise<Finding | null> {
  const grey = `colour < ${GREY} and contrast >= ${LOW_CONTRAST}`
  const [row] = await images.session.query<{ median: number | null; grey: number }>(
    `SELECT quantile_cont(colour, 0.5) AS median, count_if(${grey}) AS grey FROM images`,
  )
  const { median, grey: greys } = row!
  if (median === null || median < COLOURED || greys / images.images >= NATURE) return null
  return found(ctx, images, {
    kind: 'grey',
    is: `grey, in a set of coloured ones`,
    advice: 'Look whether they come from another source; a model may learn the missing colour instead of the thing.',
    condition: grey,
    worst: 'colour',
  })
}

async function oddSize(ctx: HealthContext, images: Images): Promise<Finding | null> {
  const [low, high] = await oddBeyond(images, 'width * height', SIZE_FACTOR)
  return found(ctx, images, {
    kind: 'odd-size',
    is: `much smaller or larger than the rest (fewer than ${count(Math.ceil(low))} or more than ${count(Math.floor(high))} pixels)`,
    advice: 'All images are stretched to one size for a model; look whether the thing is still to be seen in them.',
    condition: `width * height < ${Math.ceil(low)} or width * height > ${Math.floor(high)}`,
    worst: `-abs(ln(width * height) - ${Math.log(Math.sqrt(low * high))})`,
  })
}

async function oddAspect(ctx: HealthContext, images: Images): Promise<Finding | null> {
  const [low, high] = (await oddBeyond(images, 'width / height', ASPECT_FACTOR)).map(shown)
  return found(ctx, images, {
    kind: 'odd-aspect',
    is: `of another shape than the rest (width below ${low!} or above ${high!} times the height)`,
    advice: 'Stretched to the size of a model they look distorted; crop or exclude them.',
    condition: `width < ${low!} * height or width > ${high!} * height`,
    worst: `-abs(ln(width / height) - ${Math.log(Math.sqrt(low! * high!))})`,
  })
}

/** Bounds of a positive number, from its logarithms: outside the factor and outside what the set is like. */
async function oddBeyond({ session }: Images, of: string, factor: number): Promise<readonly [number, number]> {
  const [row] = await session.query<{ low: number; median: number; high: number }>(
    `SELECT quantile_cont(ln(${of}), 0.25) AS low, quantile_cont(ln(${of}), 0.5) AS median, quantile_cont(ln(${of}), 0.75) AS high FROM images`,
  )
  const { low, median, high } = row!
  const reach = REACH * (high - low)
  return [
    Math.exp(Math.min(median - Math.log(factor), low - reach)),
    Math.exp(Math.max(median + Math.log(factor), high + reach)),
  ]
}
