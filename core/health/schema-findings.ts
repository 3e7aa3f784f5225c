/** Labels, boxes and attributes that the label schema of the version does not allow. */
import type { LabelSchema } from '#core/datasets'
import { listImages, type HealthContext, type Images } from './images.ts'
import { imagesAre, literal, type Finding } from './report.ts'

interface Rule {
  /** SQL over the table `images` and, of boxes, the view `boxes`. */
  readonly breaks: string
  readonly is: string
}

/** @param schema - null: anything may be said. */
export async function schemaFindings(
  ctx: HealthContext,
  images: Images,
  schema: LabelSchema | null,
): Promise<Finding[]> {
  if (!schema) return []
  const findings: Finding[] = []
  for (const { breaks, is } of rulesOf(schema)) {
    const list = await listImages(ctx, images, breaks, { worst: 'digest', where: null })
    if (list.images === 0) continue
    findings.push({
      kind: 'schema',
      title: `${imagesAre(list.images)} ${is}`,
      severity: 'bad',
      where: null,
      advice: 'Relabel them, or change the schema: gyre dataset schema.',
      details: null,
      ...list,
    })
  }
  return findings
}

function rulesOf({ task, classes, boxes, attributes }: LabelSchema): Rule[] {
  const known = listOf(classes)
  const rules: Rule[] = [
    {
      breaks: `"label" IS NOT NULL AND "label" NOT IN ${known}`,
      is: 'labelled with a class that the schema does not have',
    },
  ]
  if (task === 'multi')
    rules.push({
      breaks: `tags IS NOT NULL AND len(list_filter(tags, lambda tag: tag NOT IN ${known})) > 0`,
      is: 'tagged with a class that the schema does not have',
    })
  const allowed = boxes ? `class NOT IN ${listOf(boxes)}` : 'true'
  rules.push({
    breaks: `digest IN (SELECT digest FROM boxes WHERE ${allowed})`,
    is: 'with boxes that the schema does not have',
  })
  const unknown = `len(list_filter(json_keys(attributes), lambda name: name NOT IN ${listOf(Object.keys(attributes))})) > 0`
  rules.push({ breaks: `attributes IS NOT NULL AND ${unknown}`, is: 'with attributes that the schema does not have' })
  for (const [name, type] of Object.entries(attributes)) rules.push(attributeRule(name, type))
  return rules
}

function attributeRule(name: string, type: LabelSchema['attributes'][string]): Rule {
  const pointer = literal(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  const held = `json_extract_string(attributes, ${pointer})`
  if (typeof type !== 'string')
    return {
      breaks: `${held} IS NOT NULL AND ${held} NOT IN ${listOf(type)}`,
      is: `with a value of ${name} that the schema does not have`,
    }
  const types = { text: `('VARCHAR')`, number: `('DOUBLE', 'BIGINT', 'UBIGINT')`, boolean: `('BOOLEAN')` }[type]
  const is = { text: 'no text', number: 'no number', boolean: 'neither true nor false' }[type]
  const breaks = `${held} IS NOT NULL AND json_type(attributes, ${pointer}) NOT IN ${types}`
  return { breaks, is: `with ${name} being ${is}` }
}

function listOf(texts: readonly string[]): string {
  return texts.length === 0 ? `('')` : `(${texts.map(literal).join(', ')})`
}
