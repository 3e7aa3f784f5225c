/**
 * CVAT's XML for images, version 1.1 (docs.cvat.ai/docs/other/xml_format): an `<image>` with `<tag>`s of the whole image
 * and `<box>`es in pixels. What its `source` calls `auto` or `semi-auto` is a model's, the rest is people's.
 *
 * The file is checked as a whole and read image by image, so that no tree of it is ever held.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { PlatformError } from '#core/errors'
import { isRecord, nameOf, Notes, numberOf } from '#core/imports'
import type { ForeignBox, ForeignFile, ForeignImage } from './foreign.ts'

type Fields = Readonly<Record<string, unknown>>

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: true, // Those of XML itself: a document with others is refused before.
  htmlEntities: true, // And characters by their number.
  maxNestedTags: 32,
  isArray: (name) => ELEMENTS.has(name),
})

const ELEMENTS: ReadonlySet<string> = new Set(['tag', 'box', 'label'])
/** Comments are passed over; quoted attributes may hold `>`. */
const IMAGE = /<!--[\s\S]*?-->|<image\b(?:"[^"]*"|'[^']*'|[^"'>])*?(?:\/>|>[\s\S]*?<\/image\s*>)/g
const LABELS = /<labels\b[^>]*>[\s\S]*?<\/labels\s*>/

/** @throws {PlatformError} `ANNOTATIONS_UNREADABLE`. */
export function readCvat(text: string): ForeignFile {
  if (/<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST)/i.test(text))
    throw new PlatformError('ANNOTATIONS_UNREADABLE', 'the file declares a document type or entities, which is refused')
  const verdict = XMLValidator.validate(text)
  if (verdict !== true)
    throw new PlatformError(
      'ANNOTATIONS_UNREADABLE',
      `the file is no XML: ${verdict.err.msg} in line ${verdict.err.line}`,
    )
  const notes = new Notes()
  const classes = new Set(classesListed(text))
  const images: ForeignImage[] = []
  for (const [part] of text.matchAll(IMAGE)) {
    if (part.startsWith('<!--')) continue
    const image = imageOf(parsed(part), notes)
    if (!image) continue
    for (const name of image.classes ?? []) classes.add(name)
    images.push(image)
  }
  if (images.length === 0) throw new PlatformError('ANNOTATIONS_UNREADABLE', emptyBecause(text))
  return { images, classes: [...classes], notes }
}

function emptyBecause(text: string): string {
  return /<track\b/.test(text)
    ? 'the file is CVAT for video; export the task as "CVAT for images 1.1"'
    : 'the file holds no <image> of CVAT'
}

function parsed(part: string): unknown {
  try {
    return (parser.parse(part) as { image?: unknown }).image
  } catch {
    return null // Deeper than its bound.
  }
}

/** Tags of the task's own list; labels of boxes alone are no classes of images. */
function classesListed(text: string): string[] {
  const [labels] = LABELS.exec(text) ?? []
  if (labels === undefined) return []
  const list = (parser.parse(labels) as { labels?: unknown }).labels
  return elements(list, 'label').flatMap(({ name, type }) => (type === 'tag' ? (nameOf(name) ?? []) : []))
}

function imageOf(image: unknown, notes: Notes): ForeignImage | null {
  if (!isRecord(image) || typeof image['@name'] !== 'string') {
    notes.add('an image without a name was left out')
    return null
  }
  for (const kind of Object.keys(image)) if (SHAPES.has(kind)) notes.add(`shapes of the kind "${kind}" are not read`)
  const tags = elements(image, 'tag')
  const boxes = elements(image, 'box')
  const said = [...tags, ...boxes]
  const byModel = said.length > 0 && said.every((one) => /^(semi-)?auto$/.test(String(one['@source'])))
  const classes = [...new Set(tags.flatMap((tag) => nameOf(tag['@label']) ?? []))]
  return {
    name: image['@name'],
    by: byModel ? 'model' : 'people',
    classes: classes.length > 0 ? classes : null,
    boxes: boxes.length > 0 ? boxes.flatMap((box) => boxOf(box, notes) ?? []) : null,
  }
}

const SHAPES: ReadonlySet<string> = new Set(['polygon', 'polyline', 'points', 'mask', 'cuboid', 'ellipse', 'skeleton'])

function boxOf(box: Fields, notes: Notes): ForeignBox | null {
  const name = nameOf(box['@label'])
  const [left, top, right, bottom] = ['xtl', 'ytl', 'xbr', 'ybr'].map((corner) => numberOf(box[`@${corner}`]))
  if ((numberOf(box['@rotation']) ?? 0) !== 0) notes.add('a turned box was left out: boxes here are upright')
  else if (
    name === null ||
    left == null ||
    top == null ||
    right == null ||
    bottom == null ||
    right <= left ||
    bottom <= top
  )
    notes.add('a box without a class, four numbers or an area was left out')
  else return { class: name, x: left, y: top, width: right - left, height: bottom - top, unit: 'pixels' }
  return null
}

function elements(parent: unknown, name: string): Fields[] {
  const found = isRecord(parent) ? parent[name] : undefined
  return Array.isArray(found) ? found.filter(isRecord) : []
}
