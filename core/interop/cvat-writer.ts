/** Labels as CVAT's XML for images, version 1.1: tags by `manual` where a person gave them, by `auto` where a model did. */
import type { LabelledImage, LabelledSet } from './export-labels.ts'

export async function* cvatText(
  { images, session, classes, boxClasses, task }: LabelledSet,
  { imageBase = '' }: { readonly imageBase?: string | undefined },
): AsyncIterable<string> {
  const labelOf = (type: string) => (name: string) =>
    `        <label><name>${escaped(name)}</name><type>${type}</type><attributes></attributes></label>\n`
  yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
  yield `      <name>${escaped(session)}</name>\n      <mode>annotation</mode>\n      <labels>\n`
  yield [...classes.map(labelOf('tag')), ...boxClasses.map(labelOf('rectangle'))].join('')
  yield '      </labels>\n    </task>\n  </meta>\n'
  let id = 0
  for await (const image of images()) yield imageText(image, task, { id: id++, imageBase })
  yield '</annotations>\n'
}

function imageText(
  { source, width, height, label, tags, origin, boxes }: LabelledImage,
  task: LabelledSet['task'],
  { id, imageBase }: { readonly id: number; readonly imageBase: string },
): string {
  const by = origin === 'predicted' ? 'auto' : 'manual'
  const classes = task === 'multi' ? (tags ?? []) : label === null ? [] : [label]
  const lines = [
    ...classes.map((name) => `    <tag label="${escaped(name)}" source="${by}"></tag>\n`),
    ...boxes.map(
      (box) =>
        `    <box label="${escaped(box.class)}" source="manual" occluded="0" xtl="${box.x}" ytl="${box.y}" ` +
        `xbr="${box.x + box.width}" ybr="${box.y + box.height}" z_order="0"></box>\n`,
    ),
  ]
  const name = escaped(`${imageBase}${source}`)
  return `  <image id="${id}" name="${name}" width="${width}" height="${height}">\n${lines.join('')}  </image>\n`
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;' },
  ...{ '"': '&quot;', "'": '&apos;' },
}

/** Characters that XML 1.0 cannot hold at all become a question mark. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '?')
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
