import type { Plan } from './types.ts'

/** What a plan looks like before its format is known. */
type AnyPlan = Readonly<Record<string, unknown>> & { readonly format: number }

/** From each older format to the next one. The digest stays that of the plan as it was made: it names what was asked for. */
const NEXT: Readonly<Record<number, (older: AnyPlan) => AnyPlan>> = {
  // Maps, salts and quick steps were added; a plan that uses none of them says the same in both.
  1: (older) => ({ ...older, format: 2 }),
}
const PRESENT = 2

/** Thrown for a plan that this version cannot read; the message is a whole sentence. */
export class UnknownPlanFormat extends Error {
  override readonly name = 'UnknownPlanFormat'
}

/**
 * A plan of any format that there ever was, in the present one.
 *
 * @throws {UnknownPlanFormat} for one that a newer version made, and for what is no plan.
 */
export function presentPlan(stored: unknown): Plan {
  let plan = stored as AnyPlan
  const { format } = (plan ?? {}) as Partial<AnyPlan>
  if (!Number.isInteger(format) || format! < 1)
    throw new UnknownPlanFormat('this is no plan, since it does not say its format; restore it from a backup')
  if (format! > PRESENT)
    throw new UnknownPlanFormat(
      `the plan has format ${format}, this version of Gyre reads 1 to ${PRESENT}; use the version that made it, or a newer one`,
    )
  while (plan.format < PRESENT) plan = NEXT[plan.format]!(plan)
  return plan as unknown as Plan
}
