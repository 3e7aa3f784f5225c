/** A version's three tables as one, in the form that conditions are written for (columns.ts). */

const COLUMNS: Readonly<Record<string, string>> = {
  digest: 'unhex(digest)',
  pack: 'pack',
  offset: '"offset"',
  etag: 'etag',
  group: 'CASE WHEN "group" <> digest THEN unhex("group") END',
  width: 'width',
  height: 'height',
  sizeBytes: '"sizeBytes"',
  format: 'format',
  source: '"source"',
  uri: 'uri',
  brightness: 'brightness',
  contrast: 'contrast',
  blur: 'blur',
  entropy: 'entropy',
  colour: 'colour',
  camera: 'camera',
  takenAt: '"takenAt"',
  split: 'split',
  label: '"label"',
  tags: 'tags',
  attributes: 'attributes',
  origin: 'origin',
  humanSeen: '"humanSeen"',
  randomDraw: '"randomDraw"',
  excluded: 'excluded',
  boxes: 'coalesce(boxes, 0)::INTEGER',
  boxClasses: '"boxClasses"',
}

/**
 * Over the views `facts`, `labels` and `boxes` of a session.
 *
 * @param part - SQL over `digest`: which of the images.
 */
export function joinedImages(part = 'true'): string {
  const select = Object.entries(COLUMNS).map(([name, sql]) => `${sql} AS "${name}"`)
  return `
    SELECT ${select.join(', ')}
    FROM (FROM facts WHERE ${part}) JOIN (FROM labels WHERE ${part}) USING (digest)
    LEFT JOIN (
      SELECT digest, count(*) AS boxes, list_sort(list_distinct(list(class))) AS "boxClasses"
      FROM boxes WHERE ${part} GROUP BY digest
    ) USING (digest)`
}
