/**
 * The step that waits for people: what it asks, of whom, how many must agree, and what they fill in. Answers are checked
 * by the workflow before they are accepted; `approval` makes the step's result carry the type of its form.
 */

import { z } from 'zod'
import type { Role } from '#core/identity'
import { objectName, sha256 } from './artifacts.ts'
import { defineBuiltIn, type StepDefinition } from './define.ts'

const ROLE_NAMES = ['owner', 'engineer', 'annotator', 'operator', 'viewer'] as const satisfies readonly Role[]

/** `ada`, or `role:owner` for everybody with this role. */
const whom = z.union(
  [objectName, z.templateLiteral(['role:', z.enum(ROLE_NAMES)])],
  `must be the name of a person, or role: and one of ${ROLE_NAMES.join(', ')}`,
)

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** '30m', '12h', '3d'; milliseconds once read. */
const span = z
  .string()
  .regex(/^\d{1,6}(\.\d+)?[smhd]$/, 'must be a duration like 30m, 12h or 3d')
  .transform((text) => Math.round(Number(text.slice(0, -1)) * UNIT_MS[text.slice(-1) as keyof typeof UNIT_MS]))

const terms = {
  subject: z.unknown().describe('What is approved: the result of an earlier step. Equal bytes keep an approval'),
  question: z.string().min(1).max(500).default('Go on?'),
  approvals: z.int().min(1).max(20).default(1).describe('How many people must agree; one who refuses is enough'),
  by: z.array(whom).max(50).default([]).describe('Who may answer: names and role:owner; whoever may publish if empty'),
  deadline: span
    .optional()
    .describe('How long answers are waited for, from the question on; as long as the step if absent'),
  escalateAfter: span.optional().describe('Without enough answers for so long, others are told, and may answer'),
  escalateTo: z.array(whom).max(50).default([]).describe('Who: names and role:owner'),
  allowUnverified: z
    .boolean()
    .default(true)
    .describe('Whether an answer from the Temporal UI, which names nobody, counts'),
}

const answer = z.object({
  by: z.string(),
  role: z.string().nullable(),
  at: z.string(),
  why: z.string(),
  form: z.unknown(),
})

const result = {
  approved: z.literal(true),
  /** Who agreed; several with commas between; `deadline` where nobody had to. */
  by: z.string(),
  /** ISO 8601: the answer that was enough. */
  at: z.string(),
  why: z.string(),
  /** Digest of the subject in canonical JSON; null for approvals from before it was kept. */
  subject: sha256.nullable().default(null),
  answers: z.array(answer).default([]),
}

type Terms = Pick<z.output<z.ZodObject<typeof terms>>, 'approvals' | 'by' | 'escalateAfter' | 'escalateTo'>

/** Terms that nobody could ever meet are refused before anybody is asked. */
function checkTerms({ approvals, by, escalateAfter, escalateTo }: Terms, refuse: (path: string, why: string) => void) {
  const askable = [...by, ...escalateTo]
  const onlyNames = by.length > 0 && askable.every((one) => !one.startsWith('role:'))
  if (onlyNames && new Set(askable).size < approvals)
    refuse('approvals', `wants ${approvals} people, but only ${new Set(askable).size} are named in by and escalateTo`)
  if (escalateTo.length > 0 && escalateAfter === undefined) refuse('escalateAfter', 'must say when escalateTo are told')
  if (escalateTo.length === 0 && escalateAfter !== undefined) refuse('escalateTo', 'must say who is told')
}

/** Waits for people. A refusal fails the run with the reason given. */
export const approve = defineBuiltIn({
  name: 'approve',
  kind: 'approve',
  input: z
    .object({
      ...terms,
      onDeadline: z.enum(['fail', 'approve', 'refuse']).default('fail').describe('What counts when time is up'),
      form: z.record(z.string(), z.unknown()).optional().describe('JSON schema of what an approval must say'),
    })
    .superRefine((value, context) => {
      const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
      checkTerms(value, refuse)
      if (value.form && value.onDeadline === 'approve')
        refuse('onDeadline', 'must be fail or refuse where there is a form, which nobody would have filled in')
    }),
  output: z.object({ ...result, form: z.unknown() }),
  policy: { queue: 'pipeline', timeout: '365d', cache: false },
})

const formTerms = z.object({ ...terms, onDeadline: z.enum(['fail', 'refuse']).default('fail') })

/**
 * An approval with a form: whoever approves fills it in, and what they filled in is a typed part of the result. With
 * several approvals, `form` is what the last of them said; `answers` holds them all.
 *
 * @param form - fields of text, numbers, booleans and choices make the page; anything that has a JSON schema is checked.
 * @throws {Error} when the form has no JSON schema, as one with a transform.
 *
 * @example
 * const signOff = approval({ form: z.object({ batch: z.string(), limit: z.number().min(0).max(1) }) })
 * const signed = step('sign-off', signOff, { subject: report, question: 'Ship it?', by: ['role:owner'] })
 * step('deploy', deploy, { limit: signed.form.limit })
 */
export function approval<F extends z.ZodObject>({ form }: { readonly form: F }) {
  const step = {
    ...approve,
    input: formTerms,
    output: z.object({ ...result, form }),
    fixed: { form: z.toJSONSchema(form, { io: 'output' }) },
  }
  return step as unknown as StepDefinition<typeof formTerms, z.ZodObject<typeof result & { readonly form: F }>>
}
