import { z } from 'zod'
import { issueText, PlatformError } from '#core/errors'
import type { ContainerStep } from '#core/pipeline'
import type { PlanContainer } from '#core/plan'

const quantity = (pattern: RegExp, example: string) => z.string().regex(pattern, `is no amount such as ${example}`)
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'is no plain file name')
const text = z.string().min(1)

const schema = z.strictObject({
  image: z.string().regex(/^[^\s]+$/, 'is no name of an image'),
  command: z.array(z.string()).min(1),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is no name of a variable'), z.string()).optional(),
  resources: z
    .strictObject({
      cpu: quantity(/^(\d+m|\d+(\.\d+)?)$/, '500m or 2').optional(),
      memory: quantity(/^\d+(\.\d+)?(k|[MGT]i?|Ki)?$/, '512Mi or 4Gi').optional(),
      gpus: z.int().min(0).optional(),
    })
    .optional(),
  placement: z
    .strictObject({
      nodeSelector: z.record(z.string(), z.string()).optional(),
      tolerations: z
        .array(
          z.strictObject({
            key: text.optional(),
            operator: z.enum(['Exists', 'Equal']).optional(),
            value: z.string().optional(),
            effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  files: z.array(fileName.refine((name) => name !== 'output.json', 'is the result itself')).optional(),
})

/**
 * What a container step runs, checked.
 *
 * @param gpus - of this use of the step; 0: those of its definition.
 * @throws {PlatformError} `PIPELINE_INVALID`, with the path of what is wrong.
 */
export function containerOf(pipeline: string, { name, container }: ContainerStep, gpus: number): PlanContainer {
  const { data, error } = schema.safeParse(container)
  if (!data)
    throw new PlatformError('PIPELINE_INVALID', `pipeline ${pipeline}: step ${name}, ${issueText(error)}`, { pipeline })
  const resources = { ...data.resources, ...(gpus > 0 ? { gpus } : {}) }
  const { resources: _, ...rest } = data
  return { ...rest, ...(Object.keys(resources).length > 0 ? { resources } : {}) } as PlanContainer
}
