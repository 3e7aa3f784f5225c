/**
 * Label Studio's JSON (labelstud.io/guide/task_format): a list of tasks, each with `data`, finished `annotations` and a
 * model's `predictions`; and JSON-MIN, one flat object a task. Results of the types `choices`, `taxonomy` and `rating`
 * speak of the whole image, `rectanglelabels` of boxes, in per cent of the image.
 *
 * Of several annotations of a task the ground truth holds, else the newest that was not cancelled.
 */
import { PlatformError } from '#core/errors'
import { isRecord, nameOf, NotJson, Notes, numberOf, readJson } from '#core/imports'
import type { ForeignBox, ForeignFile, ForeignImage } from './foreign.ts'

type Fields = Readonly<Record<string, unknown>>

/** What one annotation or prediction says, by the names of its controls. */
interface Said {
  readonly choices: ReadonlyMap<string, readonly string[]>
  readonly boxes: readonly ForeignBox[] | null
}

interface ReadTask extends Said {
  readonly name: string
  readonly by: ForeignImage['by']
}

/**
 * @param control - the `from_name` whose choices count, where the file has several.
 * @throws {PlatformError} `ANNOTATIONS_UNREADABLE` for what is no list of tasks; `INVALID_INPUT` where `control` is
 *   needed, or is none of the file's.
 */
export function readLabelStudio(bytes: Uint8Array, control?: string): ForeignFile {
  const notes = new Notes()
  const tasks: ReadTask[] = []
  try {
    readJson(bytes, {
      record: ({ key, value, element }) => {
        if (element && key === null && isRecord(value)) tasks.push(...readTask(value, notes))
      },
      leftOut: (reason, at) => notes.add(`${reason} was left out`, `byte ${at}`),
    })
  } catch (error) {
    if (!(error instanceof NotJson)) throw error
    throw new PlatformError(
      'ANNOTATIONS_UNREADABLE',
      `the file is no whole JSON: ${error.message}`,
      {},
      { cause: error },
    )
  }
  if (tasks.length === 0)
    throw new PlatformError('ANNOTATIONS_UNREADABLE', 'the file holds no task of Label Studio: a list of {"data": {…}}')
  const controls = [...new Set(tasks.flatMap(({ choices }) => [...choices.keys()]))]
  const chosen = control ?? controls[0]
  if (control === undefined ? controls.length > 1 : !controls.includes(control))
    throw new PlatformError(
      'INVALID_INPUT',
      `the file has choices of ${controls.map((name) => `"${name}"`).join(', ') || 'no control'}; name one of them as control`,
      { controls },
    )
  const classes = new Set<string>()
  const images = tasks.map(({ name, by, boxes, choices }): ForeignImage => {
    const own = chosen === undefined ? undefined : choices.get(chosen)
    for (const one of own ?? []) classes.add(one)
    // A finished annotation without any choice says that none fits, where the file has choices at all.
    const nothing = chosen !== undefined && by === 'people' ? [] : null
    return { name, by, boxes, classes: own ?? nothing }
  })
  return { images, classes: [...classes], notes }
}

function readTask(task: Fields, notes: Notes): ReadTask[] {
  const data = isRecord(task.data) ? task.data : task
  const name = imageNameIn(data)
  if (name === null) {
    notes.add('a task names no image', `task ${String(task.id)}`)
    return []
  }
  if (data === task) return [{ name, by: 'people', ...readFlat(task, notes) }]
  const annotation = annotationOf(listOf(task.annotations ?? task.completions))
  if (annotation) return [{ name, by: 'people', ...readResults(annotation.result, notes) }]
  const prediction = listOf(task.predictions).at(-1)
  return prediction ? [{ name, by: 'model', ...readResults(prediction.result, notes) }] : []
}

function annotationOf(annotations: readonly Fields[]): Fields | undefined {
  const finished = annotations.filter((annotation) => annotation.was_cancelled !== true)
  const truth = finished.find((annotation) => annotation.ground_truth === true)
  return (
    truth ??
    finished.reduce<Fields | undefined>((best, one) => (best && timeOf(best) > timeOf(one) ? best : one), undefined)
  )
}

function timeOf({ updated_at: updated, created_at: created }: Fields): string {
  return typeof updated === 'string' ? updated : typeof created === 'string' ? created : ''
}

/** The digest that our own exports add, else the first text that looks like an image's address. */
function imageNameIn(data: Fields): string | null {
  const texts = Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  const named = (pattern: RegExp) => texts.find(([key]) => pattern.test(key))?.[1]
  const looksIt = texts.find(([, text]) => /\.(jpe?g|png|webp|tiff?|gif|bmp)(\?|$)/i.test(text))?.[1]
  return named(/^digest$/) ?? named(/^(image|img|photo|picture)$/i) ?? looksIt ?? null
}

function readResults(results: unknown, notes: Notes): Said {
  const choices = new Map<string, string[]>()
  const boxes: ForeignBox[] = []
  let speaksOfBoxes = false
  for (const result of listOf(results)) {
    const { type } = result
    const value = isRecord(result.value) ? result.value : {}
    if (type === 'rectanglelabels') {
      speaksOfBoxes = true
      boxes.push(...boxesIn([value], notes))
    } else if (type === 'choices' || type === 'taxonomy' || type === 'rating') {
      const control = typeof result.from_name === 'string' ? result.from_name : 'choice'
      choices.set(control, [...(choices.get(control) ?? []), ...classesIn(value[type])])
    } else notes.add(`results of the type "${String(type).slice(0, 40)}" are not read`)
  }
  return { choices, boxes: speaksOfBoxes ? boxes : null }
}

/** Of JSON-MIN: `"choice": "cat"`, `"choice": {"choices": ["cat", "dog"]}`, `"label": [{x, y, …, rectanglelabels}]`. */
function readFlat(task: Fields, notes: Notes): Said {
  const choices = new Map<string, readonly string[]>()
  let boxes: ForeignBox[] | null = null
  for (const [key, value] of Object.entries(task)) {
    if (ABOUT_TASK.has(key) || /^(image|img|photo|picture|digest)$/i.test(key)) continue
    if (Array.isArray(value) && value.some((one) => isRecord(one) && 'rectanglelabels' in one))
      boxes = [...(boxes ?? []), ...boxesIn(listOf(value), notes)]
    else if (isRecord(value) && 'choices' in value) choices.set(key, classesIn(value.choices))
    else if (typeof value === 'string') choices.set(key, classesIn(value))
  }
  return { choices, boxes }
}

const ABOUT_TASK: ReadonlySet<string> = new Set([
  ...['id', 'annotator', 'annotation_id', 'created_at', 'updated_at', 'lead_time', 'source'],
])

/** Of a taxonomy, whose choices are paths, the last word of each. */
function classesIn(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.flatMap((one: unknown) => nameOf(Array.isArray(one) ? one.at(-1) : one) ?? [])
}

function boxesIn(values: readonly Fields[], notes: Notes): ForeignBox[] {
  return values.flatMap((value) => {
    const [name] = classesIn(value.rectanglelabels)
    const [x, y, width, height] = [value.x, value.y, value.width, value.height].map((side) => {
      const number = numberOf(side)
      return number === null ? null : number / 100
    })
    const turned = (numberOf(value.rotation) ?? 0) !== 0
    if (turned) notes.add('a turned box was left out: boxes here are upright')
    else if (
      name === undefined ||
      x == null ||
      y == null ||
      width == null ||
      height == null ||
      width <= 0 ||
      height <= 0
    )
      notes.add('a box without a class, four numbers or an area was left out')
    else return [{ class: name, x, y, width, height, unit: 'share' as const }]
    return []
  })
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}
