import { describe, expect, it } from 'vitest'
import { ImageNames, readCvat, readLabelStudio } from '#core/interop'

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const choice = (...choices: string[]) => ({ type: 'choices', from_name: 'label', to_name: 'image', value: { choices } })

describe("Label Studio's JSON", () => {
  it('gives the newest annotation that was not cancelled, or the ground truth; else the newest prediction', () => {
    const { images, classes } = readLabelStudio(
      json([
        {
          data: { image: '/data/upload/1/0a1b2c3d-a.png' },
          annotations: [
            { updated_at: '2026-01-02', result: [choice('cat')] },
            { updated_at: '2026-01-03', result: [choice('dog')], was_cancelled: true },
            { updated_at: '2026-01-01', result: [choice('cow')] },
          ],
          predictions: [{ result: [choice('cow')] }],
        },
        { data: { image: 'b.png' }, annotations: [
            { updated_at: '2026-01-02', result: [choice('cat')] },
            { updated_at: '2026-01-01', result: [choice('dog')], ground_truth: true },
          ] },
        { data: { image: 'c.png' }, annotations: [], predictions: [{ result: [choice('cat')] }, { result: [choice('dog', 'cow')] }] },
        { data: { image: 'd.png' }, annotations: [{ result: [] }] },
        { data: { image: 'e.png' } },
      ]),
    ) // prettier-ignore
    expect(images.map(({ name, by, classes: said }) => [name, by, said])).toEqual([
      ['/data/upload/1/0a1b2c3d-a.png', 'people', ['cat']],
      ['b.png', 'people', ['dog']],
      ['c.png', 'model', ['dog', 'cow']],
      ['d.png', 'people', []],
    ])
    expect(classes).toEqual(['cat', 'dog', 'cow'])
  })

  it('gives boxes as shares of the image, leaves turned ones out, and says what it does not read', () => {
    const box = (more: object) => ({
      type: 'rectanglelabels',
      value: { x: 10, y: 20, width: 30, height: 40, rotation: 0, rectanglelabels: ['nut'], ...more },
    })
    const result = [box({}), box({ rotation: 12 }), box({ width: 0 }), { type: 'polygonlabels', value: {} }]
    const { images, notes } = readLabelStudio(json([{ data: { image: 'a.png' }, annotations: [{ result }] }]))
    expect(images[0]!.boxes).toEqual([{ class: 'nut', x: 0.1, y: 0.2, width: 0.3, height: 0.4, unit: 'share' }])
    expect(images[0]!.classes).toBeNull()
    expect(notes.sentences().join()).toMatch(/turned box.*without a class, four numbers or an area.*"polygonlabels"/)
  })

  it('reads JSON-MIN, ratings and taxonomies, and asks which of several controls counts', () => {
    const flat = readLabelStudio(json([{ id: 1, image: 'a.png', choice: { choices: ['cat', 'dog'] }, annotator: 3 }]))
    expect(flat.images[0]).toMatchObject({ name: 'a.png', by: 'people', classes: ['cat', 'dog'] })
    const both = json([
      {
        data: { image: 'a.png' },
        annotations: [
          {
            result: [
              { type: 'rating', from_name: 'wear', value: { rating: 3 } },
              { type: 'taxonomy', from_name: 'kind', value: { taxonomy: [['animal', 'cat']] } },
            ],
          },
        ],
      },
    ])
    expect(() => readLabelStudio(both)).toThrow(/choices of "wear", "kind"; name one of them as control/)
    expect(readLabelStudio(both, 'wear').images[0]!.classes).toEqual(['3'])
    expect(readLabelStudio(both, 'kind').images[0]!.classes).toEqual(['cat'])
    expect(() => readLabelStudio(both, 'colour')).toThrow(/name one of them as control/)
  })

  it('refuses what is no list of tasks', () => {
    expect(() => readLabelStudio(json({ images: [] }))).toThrow(/holds no task of Label Studio/)
    expect(() => readLabelStudio(Buffer.from('[{"data": {"image": "a.png"}'))).toThrow(/no whole JSON/)
    expect(() => readLabelStudio(Buffer.from('hello'))).toThrow(/no whole JSON/)
  })
})

describe("CVAT's XML for images", () => {
  const file = (images: string): string => `<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>dent</name><type>tag</type></label><label><name>nut</name><type>rectangle</type></label></labels></task></meta>
<!-- <image id="9" name="ghost.png"></image> -->
${images}</annotations>`

  it('gives tags and boxes of each image, and what only a model said as a prediction', () => {
    const { images, classes, notes } = readCvat(
      file(`
<image id="0" name="set/&#97; &gt; b.png" width="40" height="32"><tag label="dent" source="manual"></tag>
  <box label="nut" source="manual" xtl="1.5" ytl="2" xbr="9.5" ybr="6" occluded="0"></box><polygon label="nut" points="1,2"/></image>
<image id="1" name='c>d.png' width="40" height="32"><tag label="scratch" source="auto"/><tag label="dent" source="semi-auto"/></image>
<image id="2" name="e.png" width="40" height="32"/>`),
    )
    expect(images).toEqual([
      {
        ...{ name: 'set/a > b.png', by: 'people', classes: ['dent'] },
        boxes: [{ class: 'nut', x: 1.5, y: 2, width: 8, height: 4, unit: 'pixels' }],
      },
      { name: 'c>d.png', by: 'model', classes: ['scratch', 'dent'], boxes: null },
      { name: 'e.png', by: 'people', classes: null, boxes: null },
    ])
    expect(classes).toEqual(['dent', 'scratch'])
    expect(notes.sentences().join()).toMatch(/"polygon" are not read/)
  })

  it('refuses documents of other kinds, and such as declare entities', () => {
    expect(() => readCvat('<!DOCTYPE a [<!ENTITY x "y">]><annotations/>')).toThrow(/document type or entities/)
    expect(() => readCvat('<annotations><image></annotations>')).toThrow(/no XML/)
    expect(() => readCvat('<annotations><track id="0"></track></annotations>')).toThrow(/CVAT for video/)
    expect(() => readCvat('<annotations></annotations>')).toThrow(/holds no <image>/)
  })
})

describe('names of images', () => {
  const digest = 'ab'.repeat(32)
  const names = new ImageNames([
    { digest, source: '/home/anna/parts/left/1.png' },
    { digest: '1'.repeat(64), source: '/home/anna/parts/right/1.png' },
    { digest: '2'.repeat(64), source: 's3://bucket/parts/a b.png' },
  ])
  const found = (name: string): unknown => {
    const match = names.find(name)
    return 'image' in match ? match.image.digest : match.trouble
  }

  it('are found by digest, by the most of the path, and under the changes that tools make', () => {
    expect(found(`https://gyre/api/images/parts/${digest}`)).toBe(digest)
    expect(found('left/1.png')).toBe(digest)
    expect(found('C:\\data\\right\\1.png')).toBe('1'.repeat(64))
    expect(found('/data/local-files/?d=parts%2Fa%20b.png')).toBe('2'.repeat(64))
    expect(found('/data/upload/3/0a1b2c3d-a b.png')).toBe('2'.repeat(64))
    expect(found('https://host/parts/a%20b.png?sig=1')).toBe('2'.repeat(64))
  })

  it('are not guessed', () => {
    expect(found('1.png')).toBe('ambiguous')
    expect(found('middle/1.png')).toBe('ambiguous')
    expect(found('3.png')).toBe('unknown')
  })
})
