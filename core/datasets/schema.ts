/** What may be said of the images of a dataset: its classes and the types of its attributes. */
import { z } from 'zod'
import { PlatformError } from '#core/errors'

const names = z.array(z.string().min(1).max(200)).max(10_000).refine(distinct, 'names each class once')

const labelSchema = z.strictObject({
  /** One class an image; any number (as tags); or one of classes that have an order, the lowest first. */
  task: z.enum(['single', 'multi', 'ordinal']),
  classes: names,
  /** Classes of boxes; null where the dataset has no boxes. */
  boxes: names.nullable(),
  /** Name → type, or the values that it may have. */
  attributes: z.record(z.string().min(1).max(200), z.union([z.enum(['text', 'number', 'boolean']), names.min(1)])),
})

export interface LabelSchema {
  readonly task: 'single' | 'multi' | 'ordinal'
  readonly classes: readonly string[]
  readonly boxes: readonly string[] | null
  readonly attributes: Readonly<Record<string, 'text' | 'number' | 'boolean' | readonly string[]>>
}

/** @throws {PlatformError} `INVALID_INPUT` with the path of what does not fit. */
export function parseLabelSchema(value: unknown): LabelSchema {
  const { data, error } = labelSchema.safeParse(value)
  if (data) return data
  const [issue] = error.issues
  const at = ['schema', ...(issue?.path ?? [])].join('.')
  throw new PlatformError('INVALID_INPUT', `${at}: ${issue?.message ?? 'does not fit'}`, { path: at })
}

function distinct(classes: readonly string[]): boolean {
  return new Set(classes).size === classes.length
}
