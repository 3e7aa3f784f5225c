/** The Python reader beside the TypeScript one: the same order, the same places, the same bytes. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeStream, openStream, type StreamDescription, type StreamOptions } from '#core/streaming'
import type { DatasetVersion } from '#core/steps'
import { blobKey, openFolderStore, type ObjectStore } from '#core/storage'
import { EpochOrder } from '../../../core/streaming/order.ts'
import { temporaryFolder } from '../imports/support.ts'
import { importedScenes, SMALL } from './support.ts'

const python = spawnSync('python3', ['--version']).status === 0
const MODULE_FOLDER = path.resolve('apps/trainer')

/** Stands in for torch: says which worker of how many this process is. */
const TORCH_STUB = `
import collections, os
class IterableDataset: pass
def get_worker_info():
    number, of = map(int, os.environ.get("WORKER", "0/0").split("/"))
    return collections.namedtuple("Info", "id num_workers")(number, of) if of else None
`

describe.skipIf(!python)('the Python reader', () => {
  const folder = temporaryFolder()
  let store: ObjectStore
  let version: DatasetVersion
  let description: StreamDescription

  beforeAll(async () => {
    store = await openFolderStore(folder('store'))
    version = await importedScenes(store, folder())
    description = await describeStream(store, version, { scratchDir: folder(), blockBytes: SMALL.blockBytes })
    await writeFile(folder('stream.json'), JSON.stringify(description))
    await mkdir(folder('torch', 'utils'), { recursive: true })
    await writeFile(folder('torch', '__init__.py'), '')
    await writeFile(folder('torch', 'utils', '__init__.py'), '')
    await writeFile(folder('torch', 'utils', 'data.py'), TORCH_STUB)
  })

  /** Runs a few lines that have `GyreStream`, `folder` and `show`, which prints JSON; gives what was shown. */
  async function run<T>(lines: string, env: NodeJS.ProcessEnv = {}): Promise<T> {
    const script = `import json, sys, hashlib\nfrom gyre_data import *\nfolder = ${JSON.stringify(folder())}\nshow = lambda x: print(json.dumps(x))\n${lines}`
    const { stdout } = await promisify(execFile)('python3', ['-c', script], {
      env: { PATH: process.env.PATH, PYTHONPATH: MODULE_FOLDER, PYTHONDONTWRITEBYTECODE: '1', ...env },
    })
    return JSON.parse(stdout) as T
  }

  async function byTypeScript(options: StreamOptions, epoch = 0): Promise<[string, number][]> {
    const stream = await openStream(store, version, { ...SMALL, ...options })
    const samples: [string, number][] = []
    for await (const { digest, label } of stream.from(stream.start(epoch))) samples.push([digest, label])
    return samples
  }

  const PAIRS = 'show([[hashlib.sha256(image).hexdigest(), label] for image, label in stream])'

  it.each([
    ['as one rank', {}, 0],
    ['in another epoch, with another seed', { seed: 11 }, 5],
    ['as one of three ranks', { rank: 1, world: 3 }, 2],
    ['without what is uneven', { rank: 2, world: 7, uneven: 'drop' as const }, 0],
    ['unshuffled', { shuffle: false }, 0],
  ])('gives the same samples in the same order %s', async (_, options, epoch) => {
    const given = Object.entries(options).map(
      ([name, value]) => `${name}=${JSON.stringify(value).replace('false', 'False')}`,
    )
    const stream = `GyreStream(folder + "/stream.json", window_blocks=${SMALL.windowBlocks}, ${given.join(', ')})`
    expect(await run(`stream = ${stream}\nstream.set_epoch(${epoch})\n${PAIRS}`)).toEqual(
      await byTypeScript(options, epoch),
    )
  })

  it.each([
    ['whole windows', [[0, 20_000]]],
    [
      'parts of windows',
      [
        [3, 9_000],
        [9_500, 19_999],
      ],
    ],
  ] as const)('orders windows of many thousands alike, %s', async (_, spans) => {
    const starts = Array.from({ length: 41 }, (_, block) => block * 500)
    const options = { seed: 3, epoch: 2, windowBlocks: 16, shuffle: true }
    const own = [...new EpochOrder(Uint32Array.from(starts), options).windows(spans as Iterable<[number, number]>)]
    const script = `import gyre_data\nshow([s for w in gyre_data._windows(${JSON.stringify(starts)}, ${JSON.stringify(spans)}, 3, 2, 16, True) for s in w[0]])`
    expect(await run(script)).toEqual(own.flatMap((window) => [...window]))
  })

  it('says the same place, and goes on from one that TypeScript said', async () => {
    const two = await openStream(store, version, { ...SMALL, world: 2 })
    const place = two.after(two.start(3), 7)
    const python = await run<{ place: unknown; rest: [string, number][]; length: number }>(
      [
        `stream = GyreStream(folder + "/stream.json", window_blocks=${SMALL.windowBlocks}, world=2)`,
        'stream.set_epoch(3)',
        'place = stream.place_after(7)',
        `alone = GyreStream(folder + "/stream.json", window_blocks=${SMALL.windowBlocks})`,
        `alone.resume(json.loads(${JSON.stringify(JSON.stringify(place))}))`,
        'rest = [[hashlib.sha256(image).hexdigest(), label] for image, label in alone]',
        'show({"place": place, "rest": rest, "length": len(alone)})',
      ].join('\n'),
    )
    expect(python.place).toEqual(place)
    const alone = await openStream(store, version, SMALL)
    const rest: [string, number][] = []
    for await (const { digest, label } of alone.from(place)) rest.push([digest, label])
    expect(python.rest).toEqual(rest)
    expect(python.length).toBe(rest.length)
  })

  it('shares a rank among the workers of a DataLoader, and a place after their batches leaves out what they gave', async () => {
    const open = `stream = GyreStream(folder + "/stream.json", window_blocks=${SMALL.windowBlocks}, uneven="drop")`
    const env = { PYTHONPATH: `${MODULE_FOLDER}:${folder()}` }
    const [one, two] = await Promise.all(
      ['0/2', '1/2'].map((worker) => run<number[]>(`${open}\nshow(stream.order())`, { ...env, WORKER: worker })),
    )
    expect(new Set([...one!, ...two!]).size).toBe(one!.length + two!.length)
    // Three batches of four: the first and third by worker 0, the second by worker 1.
    const left = await run<number[]>(
      `${open}\nstream.resume(stream.place_after(12, batch_size=4, workers=2))\nshow(stream.order())`,
    )
    expect(left).toEqual([...one!.slice(8), ...two!.slice(4)])
  })

  it('reads packs at addresses by ranges', async () => {
    const server = await rangeServer(store)
    try {
      const { port } = server.address() as AddressInfo
      const at = (sha256: string): string => `http://127.0.0.1:${port}/${sha256}`
      const places = description.places.map((place) => at(path.basename(place!)))
      const remote = { ...description, index: { ...description.index, at: at(description.index.sha256) }, places }
      await writeFile(folder('remote.json'), JSON.stringify(remote))
      const stream = `GyreStream(folder + "/remote.json", window_blocks=${SMALL.windowBlocks})`
      expect(await run(`stream = ${stream}\n${PAIRS}`)).toEqual(await byTypeScript({}))
    } finally {
      server.close()
    }
  })

  it('refuses bytes that do not have their digest', async () => {
    const pack = folder('broken.tar')
    await writeFile(pack, Buffer.alloc(2 ** 20))
    const broken = { ...description, places: description.places.map(() => pack) }
    await writeFile(folder('broken.json'), JSON.stringify(broken))
    expect(
      await run(
        'try:\n  list(GyreStream(folder + "/broken.json"))\nexcept GyreDataError as error:\n  show(str(error).split()[2:])',
      ),
    ).toEqual('does not have its digest; it was deleted, or its pack is damaged'.split(' '))
  })

  const servers: Server[] = []
  afterAll(() => servers.forEach((server) => server.close()))

  function rangeServer(from: ObjectStore): Promise<Server> {
    const server = createServer((request, response) => {
      void (async () => {
        const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')
        const key = blobKey(request.url!.slice(1))
        if (!range) return response.end(await from.get(key))
        const [first, last] = [Number(range[1]), Number(range[2])]
        response.writeHead(206).end(await from.getRange(key, first, last - first + 1))
      })()
    })
    servers.push(server)
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
  }
})
