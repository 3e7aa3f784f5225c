/**
 * Labels as tasks of Label Studio. What a person said is an annotation, what a model said a prediction, so that both can
 * be reviewed there and taken back from there: the digest travels along in `data`.
 *
 * The project needs a control `label` on the image `image`:
 * `<View><Image name="image" value="$image"/><Choices name="label" toName="image"><Choice value="…"/></Choices></View>`.
 */
import type { LabelledImage, LabelledSet } from './export-labels.ts'

export async function* labelStudioText(
  { images, session, task }: LabelledSet,
  { imageBase = '' }: { readonly imageBase?: string | undefined },
): AsyncIterable<string> {
  let id = 0
  for await (const image of images()) {
    const found = resultsOf(image, task)
    const said = image.origin === null && image.boxes.length === 0 ? null : found
    const annotation = { id: id + 1, result: found, was_cancelled: false, ground_truth: false, created_at: image.at }
    const whole = {
      id: id + 1,
      data: { image: `${imageBase}${image.source}`, digest: image.digest },
      annotations: said && image.origin !== 'predicted' ? [annotation] : [],
      predictions: said && image.origin === 'predicted' ? [{ model_version: `gyre ${session}`, result: found }] : [],
      meta: { excluded: image.excluded, annotators: image.annotators },
    }
    yield `${id === 0 ? '[\n' : ',\n'}${JSON.stringify(whole)}`
    id++
  }
  yield id === 0 ? '[]\n' : '\n]\n'
}

function resultsOf({ label, tags, boxes, origin, width, height }: LabelledImage, task: LabelledSet['task']): unknown[] {
  const size = { original_width: width, original_height: height, image_rotation: 0, to_name: 'image' }
  const choices = task === 'multi' ? (tags ?? []) : label === null ? [] : [label]
  const share = (pixels: number, of: number): number => (100 * pixels) / of
  return [
    ...(origin !== null && choices.length > 0
      ? [{ id: 'label', from_name: 'label', type: 'choices', ...size, value: { choices } }]
      : []),
    ...boxes.map((box, i) => ({
      ...{ id: `box-${i}`, from_name: 'box', type: 'rectanglelabels', ...size },
      value: {
        ...{ x: share(box.x, width), y: share(box.y, height), rotation: 0 },
        ...{ width: share(box.width, width), height: share(box.height, height), rectanglelabels: [box.class] },
      },
    })),
  ]
}
