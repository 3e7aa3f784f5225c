import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { tarGzOf, tarOf, zipOf } from '../../../support/archives.ts'
import { exifRotatedJpeg, pngImage } from '../../../support/images.ts'
import { temporaryFolder } from '../support.ts'
import { box, entriesOf, everything, writeTree } from './support.ts'

const inFolder = temporaryFolder()

it('COCO gives boxes, labels and tags, whichever file speaks of an image', async () => {
  const source = await writeTree(inFolder('coco'), {
    'train2017/1.png': await pngImage(1),
    'val2017/1.png': await pngImage(2),
    'val2017/2.png': await pngImage(3),
    'annotations/instances_train2017.json': JSON.stringify({
      annotations: [
        { id: 1, image_id: 7, category_id: 3, bbox: [1, 2, 3, 4], attributes: { rusty: true }, iscrowd: 0 },
        { id: 2, image_id: 7, category_id: 3, bbox: [1, 2, 0, 4] },
        { id: 3, image_id: 7, category_id: 9, bbox: [1, 2, 3, 4] },
        { id: 4, image_id: 99, category_id: 3, bbox: [1, 2, 3, 4] },
        { id: 5, image_id: 7, category_id: 3, segmentation: [[2, 2, 6, 2, 6, 5]] },
      ],
      images: [{ id: 7, file_name: '1.png', attributes: { camera: 'left' } }],
      categories: [{ id: 3, name: 'bolt' }],
    }),
    'annotations/instances_val2017.json': JSON.stringify({
      images: [
        { id: 1, file_name: '1.png' },
        { id: 2, file_name: '2.png' },
        { id: 3, file_name: '3.png' },
      ],
      annotations: [{ id: 1, image_id: 2, category_id: 3, bbox: [0, 0, 5, 5], score: 0.5 }],
      categories: [{ id: 3, name: 'bolt' }],
    }),
    'annotations/labels_val2017.json': JSON.stringify({
      images: [{ id: 1, file_name: '1.png' }],
      annotations: [
        { id: 1, image_id: 1, category_id: 1 },
        { id: 2, image_id: 1, category_id: 2 },
      ],
      categories: [
        { id: 1, name: 'good' },
        { id: 2, name: 'wet', supercategory: 'tag' },
      ],
    }),
  })
  const given = await everything(source)
  expect(given.format).toBe('coco')
  expect(given.images).toEqual({
    'train2017/1.png': {
      split: 'train',
      attributes: { camera: 'left' },
      boxes: [box('bolt', 1, 2, 3, 4, '{"rusty":true}'), box('bolt', 2, 2, 4, 3)],
    },
    'val2017/1.png': { split: 'test', label: 'good', tags: ['wet'], boxes: [] },
    'val2017/2.png': { split: 'test', boxes: [box('bolt', 0, 0, 5, 5, '{"score":0.5}')] },
  })
  expect(given.schema).toEqual({ task: 'single', classes: ['good'], boxes: ['bolt'], attributes: { camera: 'text' } })
  expect(given.notes).toEqual([
    'outlines are not read, only their boxes (in annotations/instances_train2017.json)',
    'a box without four sound numbers, or without an area, was left out (in annotations/instances_train2017.json)',
    'an annotation has a category that the file does not list (in annotations/instances_train2017.json)',
    'annotations of an image that the file does not list were left out (in annotations/instances_train2017.json)',
    'an image that annotations name is not in the source (in 3.png)',
  ])
})

it('files of COCO that repeat boxes give each once', async () => {
  const file = (name: string): string =>
    JSON.stringify({
      images: [{ id: 1, file_name: '1.png' }],
      annotations: [1, 5].map((x) => ({ image_id: 1, category_id: 1, bbox: [x, 2, 3, 4], keypoints: [1, 1, 2] })),
      categories: [{ id: 1, name }],
    })
  const source = await writeTree(inFolder('coco-twice'), {
    'images/1.png': await pngImage(1),
    'annotations/instances_train.json': file('person'),
    'annotations/person_keypoints_train.json': file('person'),
    'annotations/stuff_train.json': file('sky'),
  })
  const boxes = ['person', 'sky'].flatMap((name) => [box(name, 1, 2, 3, 4), box(name, 5, 2, 3, 4)])
  expect((await everything(source)).images).toEqual({ 'images/1.png': { split: 'train', boxes } })
})

it('a file of COCO alone takes images beside it, and none outside its folder', async () => {
  await writeTree(inFolder('private'), { 'secret.png': await pngImage(1) })
  const folder = await writeTree(inFolder('public'), {
    'images/1.png': await pngImage(2),
    'images/not-named.png': await pngImage(3),
    'set.json': JSON.stringify({
      images: ['images/1.png', '../private/secret.png', 'images/link.png', '/etc/hostname', 'images', 'a\0b.png'].map(
        (file_name, id) => ({ id, file_name }),
      ),
      annotations: [{ id: 1, image_id: 0, category_id: 1 }],
      categories: [{ id: 1, name: 'cat' }],
    }),
  })
  await symlink(inFolder('private', 'secret.png'), inFolder('public', 'images', 'link.png'))
  const { images, refused } = await everything(`${folder}/set.json`)
  expect(images).toEqual({ 'images/1.png': { label: 'cat' } })
  expect(refused).toEqual({
    '../private/secret.png': 'a name that leads outside the folder',
    'images/link.png': 'a name that leads outside the folder',
    images: 'not a regular file',
  })
})

it('Pascal VOC gives boxes with their flags, and splits by its lists', async () => {
  const object = (name: string, bounds: string, more = ''): string =>
    `<object><name>${name}</name>${more}<bndbox>${bounds}</bndbox></object>`
  const bounds = '<xmin>1</xmin><ymin>2</ymin><xmax>11.5</xmax><ymax>22</ymax>'
  const source = await writeTree(inFolder('voc'), {
    'VOC/JPEGImages/a.png': await pngImage(1),
    'VOC/JPEGImages/b.png': await pngImage(2),
    'VOC/JPEGImages/c.png': await pngImage(3),
    'VOC/Annotations/a.xml': `<?xml version="1.0"?><annotation><filename>elsewhere.png</filename>${object('nut &amp; bolt', bounds, '<difficult>1</difficult><pose>Left</pose>')}${object('nut', bounds)}</annotation>`,
    'VOC/Annotations/b.xml': '<annotation><segmented>1</segmented></annotation>',
    'VOC/Annotations/c.xml': `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>${object('&x;', bounds)}</annotation>`,
    'VOC/ImageSets/Main/train.txt': 'a\n',
    'VOC/ImageSets/Main/val.txt': 'b\nc\n',
    'VOC/ImageSets/Main/nut_train.txt': 'a 1\n',
    'VOC/SegmentationClass/a.png': await pngImage(9),
    'VOC/labelmap.txt': 'nut:1,2,3::',
  })
  const given = await everything(source)
  expect(given.format).toBe('voc')
  expect(given.images).toEqual({
    'VOC/JPEGImages/a.png': {
      split: 'train',
      boxes: [box('nut & bolt', 1, 2, 10.5, 20, '{"difficult":true,"pose":"Left"}'), box('nut', 1, 2, 10.5, 20)],
    },
    'VOC/JPEGImages/b.png': { split: 'test', boxes: [] },
    'VOC/JPEGImages/c.png': { split: 'test' },
  })
  expect(given.notes).toEqual([
    'segmentation masks are not read (2 times, first in VOC/Annotations/b.xml)',
    'an XML file is no readable annotation and was left out (in VOC/Annotations/c.xml)',
  ])
})

it('YOLO gives boxes in pixels of the upright image, named by data.yaml', async () => {
  const source = await writeTree(inFolder('yolo'), {
    'images/train/a.png': await pngImage(1, { width: 40, height: 20 }),
    'images/train/turned.jpg': await exifRotatedJpeg(2, { width: 40, height: 20 }),
    'images/val/c.png': await pngImage(3),
    'images/val/d.png': await pngImage(4),
    'labels/train/a.txt': '1 0.5 0.5 0.25 0.5\n0 0.1 0.2 0.2 0.2 0.9\n0 0.1 0.1 0.5 0.1 0.5 0.5\nno box\n',
    'labels/train/turned.txt': '7 0.5 0.5 1 1\n',
    'labels/val/c.txt': '',
    'labels/val/gone.txt': '0 0.5 0.5 1 1\n',
    'data.yaml': 'path: /somewhere/else\ntrain: images/train\nnames:\n  0: nut\n  1: bolt\n',
  })
  const given = await everything(source)
  expect(given.format).toBe('yolo')
  expect(given.images).toEqual({
    'images/train/a.png': {
      split: 'train',
      boxes: [box('bolt', 15, 5, 10, 10), box('nut', 0, 2, 8, 4), box('nut', 4, 2, 16, 8)],
    },
    'images/train/turned.jpg': { split: 'train', boxes: [box('7', 0, 0, 20, 40)] },
    'images/val/c.png': { split: 'test', boxes: [] },
    'images/val/d.png': { split: 'test' },
  })
  expect(given.notes).toEqual([
    'the confidence of a box is not read (in labels/train/a.txt)',
    'outlines are not read, only their boxes (in labels/train/a.txt)',
    'a line is no box (in labels/train/a.txt)',
    'a class has no name and is called by its number (in labels/train/turned.txt)',
    'a file of boxes has no image (in labels/val/gone.txt)',
  ])
})

it('YOLO of Darknet has its classes in obj.names and its splits in names of folders', async () => {
  const source = await writeTree(inFolder('darknet'), {
    'obj_train_data/a.png': await pngImage(1),
    'obj_train_data/a.txt': '1 0.5 0.5 0.5 0.5\n',
    'obj_test_data/b.png': await pngImage(2),
    'obj_test_data/b.txt': '0 0.5 0.5 0.5 0.5\n',
    'obj.data': 'classes = 2\nnames = data/obj.names\n',
    'obj.names': 'nut\nbolt\n',
    'train.txt': 'data/obj_train_data/a.png\n',
  })
  const given = await everything(source)
  expect([given.format, given.notes]).toEqual(['yolo', []])
  expect(given.images).toEqual({
    'obj_test_data/b.png': { split: 'test', boxes: [box('nut', 6, 6, 12, 12)] },
    'obj_train_data/a.png': { split: 'train', boxes: [box('bolt', 6, 6, 12, 12)] },
  })
})

it('YOLO for classification and ImageNet are folders of classes in folders of splits', async () => {
  const tree = {
    'set/train/n1/1.png': await pngImage(1),
    'set/train/n2/2.png': await pngImage(2),
    'set/val/n1/3.png': await pngImage(3),
    'set/val/4.png': await pngImage(4),
  }
  const yolo = await everything(await writeTree(inFolder('yolo-classes'), tree), 'yolo')
  expect(yolo.images).toEqual({
    'set/train/n1/1.png': { label: 'n1', split: 'train' },
    'set/train/n2/2.png': { label: 'n2', split: 'train' },
    'set/val/n1/3.png': { label: 'n1', split: 'test' },
    'set/val/4.png': { split: 'test' },
  })
  const lists = {
    'LOC_synset_mapping.txt': 'n1 tench, Tinca tinca\nn2 crane\nn3 crane\n',
    'LOC_val_solution.csv': 'ImageId,PredictionString\n4,n1 85 1 499 272\n',
  }
  const named = await everything(await writeTree(inFolder('imagenet'), { ...tree, ...lists }), 'imagenet')
  expect(Object.values(named.images).map((annotation) => annotation?.label)).toEqual(['tench', 'n2', 'tench', 'tench'])
  expect(named.schema?.classes).toEqual(['n2', 'tench'])
})

it('a CSV names images by path or name, and its other columns become attributes', async () => {
  const source = await writeTree(inFolder('csv'), {
    'photos/a.png': await pngImage(1),
    'photos/b.png': await pngImage(2),
    'photos/c.png': await pngImage(3),
    'list.csv':
      '\ufefffile_name;class;tags;subset;weight;note\r\na.png;"nut; large";x|y;train;1.5;\r\nphotos/b.png;bolt;;validation;2;"two\r\nlines"\r\nmissing.png;nut;;;;\r\n',
  })
  const given = await everything(source)
  expect(given.format).toBe('csv')
  expect(given.images).toEqual({
    'photos/a.png': { label: 'nut; large', tags: ['x', 'y'], split: 'train', attributes: { weight: '1.5' } },
    'photos/b.png': { label: 'bolt', split: 'test', attributes: { weight: '2', note: 'two\r\nlines' } },
    'photos/c.png': null,
  })
  expect(given.notes).toEqual(['an image that annotations name is not in the source (in missing.png)'])
})

it('a CSV with a row per box, and one without a header, are read', async () => {
  const images = { 'a.png': await pngImage(1), 'b.png': await pngImage(2) }
  const boxes = await writeTree(inFolder('csv-boxes'), {
    ...images,
    'boxes.csv':
      'filename,width,height,class,xmin,ymin,xmax,ymax\na.png,24,24,nut,1,2,3,5\na.png,24,24,bolt,0,0,9,9\nb.png,24,24,,,,,\n',
  })
  expect((await everything(boxes)).images).toEqual({
    'a.png': { boxes: [box('nut', 1, 2, 2, 3), box('bolt', 0, 0, 9, 9)] },
    'b.png': { boxes: [] },
  })
  const bare = await writeTree(inFolder('csv-bare'), { ...images, 'labels.csv': 'a.png,nut\nb.png,bolt\n' })
  expect((await everything(bare)).images).toEqual({ 'a.png': { label: 'nut' }, 'b.png': { label: 'bolt' } })
})

it('JSON lines and ImageFolder of Hugging Face give labels, tags, objects and attributes', async () => {
  const images = { 'train/a.png': await pngImage(1), 'test/b.png': await pngImage(2) }
  const lines = [
    { file_name: 'a.png', label: 'nut', labels: ['x', 3], weight: 2, fresh: true, deep: { no: 1 } },
    { file_name: '../test/b.png', label: 'bolt' },
  ]
  const jsonl = await writeTree(inFolder('jsonl'), {
    ...images,
    'train/list.jsonl': `${JSON.stringify(lines[0])}\n{broken\n${JSON.stringify(lines[1])}\n`,
  })
  const given = await everything(jsonl)
  expect(given.format).toBe('jsonl')
  expect(given.images).toEqual({
    'train/a.png': { label: 'nut', tags: ['x', '3'], split: 'train', attributes: { weight: 2, fresh: true } },
    'test/b.png': { label: 'bolt', split: 'test' },
  })
  expect(given.notes).toContain('a line is no JSON object (in train/list.jsonl:2)')
  expect(given.notes).toContain('"deep" holds lists or objects, which attributes cannot (in train/list.jsonl)')
  const folder = await writeTree(inFolder('image-folder'), {
    ...images,
    'train/metadata.jsonl': '{"file_name": "a.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [0]}}\n',
    'test/metadata.csv': 'file_name,label\nb.png,bolt\n',
  })
  const hugging = await everything(folder)
  expect(hugging.format).toBe('huggingface')
  expect(hugging.images).toEqual({
    'train/a.png': { split: 'train', boxes: [box('0', 1, 2, 3, 4)] },
    'test/b.png': { label: 'bolt', split: 'test' },
  })
})

it('samples of a WebDataset are read in one pass, from one shard or from a folder of them', async () => {
  const shard = await tarOf(
    entriesOf({
      '000.jpg': await pngImage(1),
      '000.cls': '1',
      '001.png': await pngImage(2),
      '001.json': '{"label": "nut", "split": "test", "tags": ["x"], "depth": 3}',
      '001.txt': 'a nut on a table\n',
      '001.npy': 'numbers',
      '002.json': '{"label": "lost"}',
    }),
  )
  const source = await writeTree(inFolder('shards'), { 'set-train-0.tar': shard, 'classes.txt': 'nut\nbolt\n' })
  const given = await everything(source)
  expect(given.format).toBe('webdataset')
  expect(given.images).toEqual({
    'set-train-0.tar/000.jpg': { label: 'bolt', split: 'train' },
    'set-train-0.tar/001.png': {
      label: 'nut',
      split: 'test',
      tags: ['x'],
      attributes: { depth: 3, text: 'a nut on a table' },
    },
  })
  expect(given.notes).toEqual([
    'files .npy of samples are not read (in set-train-0.tar/001.png)',
    'a sample holds no image (in set-train-0.tar/002.json)',
  ])
  const alone = await everything(`${source}/set-train-0.tar`)
  expect([alone.format, Object.keys(alone.images)]).toEqual([
    'webdataset',
    ['set-train-0.tar/000.jpg', 'set-train-0.tar/001.png'],
  ])
})

it('annotations inside an archive are read before its images, wherever they lie in it', async () => {
  const tree = {
    'set/images/a.png': await pngImage(1),
    'set/annotations.json': JSON.stringify({
      images: [{ id: 1, file_name: 'a.png' }],
      annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 2, 3, 4] }],
      categories: [{ id: 1, name: 'nut' }],
    }),
    '../outside.json': JSON.stringify({ images: [{ id: 1, file_name: 'a.png' }], annotations: [], categories: [] }),
  }
  const archives = {
    'a.zip': zipOf(entriesOf(tree)),
    'a.tar': await tarOf(entriesOf(tree)),
    'a.tgz': await tarGzOf(entriesOf(tree)),
  }
  await mkdir(inFolder('archives'))
  for (const [name, bytes] of Object.entries(archives)) {
    await writeFile(inFolder('archives', name), bytes)
    const { format, images } = await everything(inFolder('archives', name))
    expect([format, images], name).toEqual(['coco', { 'set/images/a.png': { boxes: [box('nut', 1, 2, 3, 4)] } }])
  }
})

it('folders of classes are no labels unless the format is named', async () => {
  const source = await writeTree(inFolder('classes'), {
    'cat/1.png': await pngImage(1),
    'dog/2.png': await pngImage(2),
  })
  const given = await everything(source)
  expect([given.format, given.images]).toEqual(['folder', { 'cat/1.png': null, 'dog/2.png': null }])
})

it('a table, JSON, XML or text among images that speaks of something else tells no format', async () => {
  const others = {
    'sizes.csv': 'name,size\nx,1\n',
    'log.jsonl': '{"level":"info"}\n',
    'package.json': '{"name":"x"}',
    'a.xml': '<project/>',
    'a.txt': 'a note',
  }
  const source = await writeTree(inFolder('others'), { 'a.png': await pngImage(1), ...others })
  const given = await everything(source)
  expect([given.format, given.images['a.png']]).toEqual(['folder', null])
})

it('a format that the source is not in says what it lacks', async () => {
  const source = await writeTree(inFolder('plain'), { 'a.png': await pngImage(1), 'list.csv': 'name,size\nx,1\n' })
  await expect(everything(source, 'coco')).rejects.toThrow(/holds no COCO file: JSON with "images" and "annotations"/)
  await expect(everything(source, 'csv')).rejects.toThrow(/with a column of image paths/)
  await expect(everything(source, 'voc')).rejects.toThrow(/holds no Pascal VOC file/)
  await expect(everything(source, 'parquet')).rejects.toThrow(/holds no Parquet file/)
  await expect(everything(source, 'webdataset')).rejects.toThrow(/holds no tar file/)
  await expect(everything(inFolder('nothing'))).rejects.toThrow(/nothing is at/)
  await expect(everything(`${source}/a.png`, 'voc')).rejects.toThrow(/neither a folder nor a .zip, .tar or .tar.gz/)
})
