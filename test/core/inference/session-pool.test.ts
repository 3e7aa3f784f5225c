import { describe, expect, it } from 'vitest'
import { mapBatches, OnnxGraph, openSessionPool, type Tensors } from '#core/inference'

/** Twice its input. */
function doubling(): Uint8Array {
  const graph = new OnnxGraph('doubling')
  const x = graph.input('x', 'float32', ['N', 2])
  graph.output('y', 'float32', ['N', 2], graph.node('Mul', [x, graph.constant('two', [2], [])]))
  return graph.toBytes()
}

const batch = (...values: number[]): Tensors => ({
  x: { type: 'float32', data: Float32Array.from(values), dims: [values.length / 2, 2] },
})

async function collect(outputs: AsyncIterable<Tensors>): Promise<number[][]> {
  const all: number[][] = []
  for await (const { y } of outputs) all.push([...(y!.data as Float32Array)])
  return all
}

describe('a pool of sessions', () => {
  it.each([1, 2, 3])('gives outputs in the order of the inputs with %i threads', async (threads) => {
    const pool = await openSessionPool(doubling(), { threads })
    const batches = Array.from({ length: 20 }, (_, i) => batch(i, -i))
    const outputs = await collect(mapBatches(pool, batches))
    expect(outputs).toEqual(batches.map((_, i) => [2 * i, -2 * i]))
    await pool.close()
  })

  it('makes no more batches than its threads can soon use', async () => {
    const pool = await openSessionPool(doubling(), { threads: 1 })
    let made = 0
    function* batches() {
      for (; made < 100; made++) yield batch(1, 2)
    }
    const outputs = mapBatches(pool, batches())
    await outputs.next()
    expect(made).toBeLessThanOrEqual(2)
    await outputs.return(undefined)
    await pool.close()
  })

  it('reports a refused batch and goes on with the next', async () => {
    const pool = await openSessionPool(doubling())
    const wrong: Tensors = { x: { type: 'float32', data: new Float32Array(3), dims: [1, 3] } }
    await expect(pool.run(wrong)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect([...(await pool.run(batch(1, 2))).y!.data]).toEqual([2, 4])
    await pool.close()
  })

  it('refuses a model that does not load', async () => {
    await expect(openSessionPool(Buffer.from('no model'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('finishes what was asked before it closes', async () => {
    const pool = await openSessionPool(doubling())
    const answers = Array.from({ length: 8 }, (_, i) => pool.run(batch(i, i)))
    await pool.close()
    expect((await Promise.all(answers)).map(({ y }) => y!.data[0])).toEqual([0, 2, 4, 6, 8, 10, 12, 14])
  })

  it('stops between batches when its signal aborts', async () => {
    const pool = await openSessionPool(doubling())
    const stop = new AbortController()
    function* batches() {
      yield batch(1, 2)
      stop.abort(new Error('enough'))
      yield batch(3, 4)
    }
    await expect(collect(mapBatches(pool, batches(), { signal: stop.signal }))).rejects.toThrow('enough')
    await pool.close()
  })
})
